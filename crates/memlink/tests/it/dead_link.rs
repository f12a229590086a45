//! A link of the network that dies without a word: nothing is refused and nothing is closed, packets are gone. In a network namespace of
//! the test's own, whose one interface is taken down and up again.

use std::process::Command;
use std::time::{Duration, Instant};

use memlink::{Client, Event, Limits, Outcome, Settings};

use crate::memcached::Memcached;
use crate::show::Show as _;
use crate::wait::{until, until_async};

/// Set for the process inside of the namespace.
const INSIDE: &str = "MEMLINK_IN_NAMESPACE";

/// Runs the test again where the interface `lo` is its own. `false` where the system does not permit that, which is said.
fn is_inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let permitted =
        Command::new("unshare").args(["--net", "--map-root-user", "ip", "link", "set", "lo", "up"]).output();
    if let Some(why) = match &permitted {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    } {
        eprintln!("SKIPPED {name}: no network namespaces here ({why})");
        return false;
    }
    let program = std::env::current_exe().expect("a test runs");
    let status = Command::new("unshare")
        .args(["--net", "--map-root-user"])
        .arg(program)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .expect("it was there a moment ago");
    assert!(status.success(), "inside of the namespace: {status}");
    false
}

fn set_link(state: &str) {
    let status = Command::new("ip").args(["link", "set", "lo", state]).status().expect("ip runs");
    assert!(status.success(), "ip link set lo {state}");
}

const TIMEOUT: Duration = Duration::from_millis(200);
const STALL: Duration = Duration::from_millis(500);

/// What becomes of a request while the link is dead: it may have been applied, or was not sent. It never takes longer than its time.
async fn ask_in_vain(client: &Client) -> Outcome {
    let begun = Instant::now();
    let error = client.set("k", "v").await.expect_err("the link is dead");
    assert!(begun.elapsed() < TIMEOUT * 20, "{error} after {:?}", begun.elapsed());
    error.outcome()
}

#[test]
fn a_dead_link_is_found_and_its_return_too() {
    if !is_inside("dead_link::a_dead_link_is_found_and_its_return_too") {
        return;
    }
    set_link("up");
    let memcached = Memcached::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (lost, told) = std::sync::mpsc::channel();
        let limits = Limits { stall_timeout: STALL, ..Limits::default() };
        let settings = Settings::default().timeout(TIMEOUT).limits(limits).on_event(move |event| {
            if let Event::Closed { reason, .. } = event {
                let _ = lost.send(reason.to_string());
            }
        });
        let client = memcached.client_with(settings).await;
        for round in 1..=3 {
            until_async("it is served", async || client.set("k", "v").await.is_ok()).await;
            set_link("down");
            let begun = Instant::now();
            let mut outcomes = vec![ask_in_vain(&client).await];
            let reason = loop {
                match told.try_recv() {
                    Ok(reason) => break reason,
                    Err(_) => outcomes.push(ask_in_vain(&client).await),
                }
                assert!(begun.elapsed() < Duration::from_secs(20), "the dead link was never found: {outcomes:?}");
            };
            let unknown = outcomes.iter().filter(|outcome| **outcome == Outcome::Unknown).count();
            println!(
                "round {round}: {reason}, {:?} after the link died, {unknown} unknown of {}",
                begun.elapsed(),
                outcomes.len()
            );
            assert_eq!(outcomes[0], Outcome::Unknown, "the first one left, and nobody knows where to");
            // While it is down nothing is sent.
            until_async("requests are refused", async || client.get("k").await.show() == "ServerDown NotSent").await;
            set_link("up");
        }
        until_async("it is served again", async || client.set("k", "v").await.is_ok()).await;
        client.close(Duration::from_secs(1)).await;
        until("nothing is left", || tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
    });
}
