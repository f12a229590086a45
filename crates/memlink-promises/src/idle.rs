//! P20: what happens while nothing is asked costs the next request nothing, and is no reply to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use memlink::Client;
use memlink_processes::Memcached;
use memlink_testserver::{Fault, TestServer};

use crate::setting::{builder_of_real, client_of, patient, say, until};
use crate::{Checked, Failure, Report, Size};

/// Clients that wait at the same time.
const CLIENTS: u64 = 50;

/// What a server may say without having been asked.
const STRAYS: [&str; 6] =
    ["VA 5\r\nwrong\r\n", "EN\r\n", "HD\r\n", "x", "\r\n", "SERVER_ERROR out of memory storing object\r\n"];

/// Long enough that a busy machine asks in time.
const IDLE: Duration = Duration::from_millis(100);

pub(crate) async fn run(size: Size) -> Checked {
    let rounds = size.of(1_000);
    let mut report = Report::default();
    let failed = AtomicU64::new(0);
    closed_at_once(rounds, &failed).await?;
    say("idle", "closed while idle is done");
    let by_memcached = closed_by_memcached(rounds.div_ceil(2), &failed).await?;
    say("idle", "idle_timeout of memcached is done");
    let (strays, taken, lost) = strays(rounds).await?;
    report.injected("idle connections closed by the embedded server", rounds, rounds);
    report.injected("by memcached's idle_timeout", by_memcached, rounds.div_ceil(2));
    report.injected("stray lines", strays, rounds);
    let failed = failed.into_inner();
    report.reached = format!(
        "first request after an idle close: failures {failed}; stray lines taken as replies {taken} (requests that met one: {lost})"
    );
    report.must(failed == 0, || format!("{failed} first requests failed"));
    report.must(taken == 0, || format!("{taken} stray lines were taken as replies"));
    Ok(report)
}

/// Whether a client has seen so many of its connections closed.
async fn until_closed(client: &Client, times: u64) -> Result<(), Failure> {
    until("the client has seen the close", || client.stats().servers[0].counters.closed >= times).await
}

async fn closed_at_once(rounds: u64, failed: &AtomicU64) -> Result<(), Failure> {
    let server = TestServer::start().await?;
    let client = client_of(&[&server], patient()).await?;
    client.set("k", "v").await?;
    for round in 1..=rounds {
        server.disconnect().await?;
        until_closed(&client, round).await?;
        let is_right = client.get("k").await.is_ok_and(|got| got.is_some_and(|value| value == "v"));
        failed.fetch_add(u64::from(!is_right), Ordering::Relaxed);
    }
    Ok(())
}

/// The real thing closes what has been idle for a second.
async fn closed_by_memcached(times: u64, failed: &AtomicU64) -> Result<u64, Failure> {
    let memcached = Memcached::start(&["-t", "1", "-o", "idle_timeout=1"])?;
    let clients = times.min(CLIENTS * 5);
    let mut running = Vec::new();
    for _ in 0..clients {
        let client = builder_of_real(&memcached, patient())?.connect().await?;
        client.set("k", "v").await?;
        running.push(tokio::spawn(async move {
            let mut failed = 0;
            for round in 1..=times.div_ceil(clients) {
                until_closed(&client, round).await?;
                failed += u64::from(!client.get("k").await.is_ok_and(|got| got.is_some_and(|value| value == "v")));
            }
            Ok::<u64, Failure>(failed)
        }));
    }
    for one in running {
        failed.fetch_add(one.await??, Ordering::Relaxed);
    }
    Ok(times.div_ceil(clients) * clients)
}

/// How many stray lines were said, how many were taken as replies, and how many requests were lost to one.
async fn strays(wanted: u64) -> Result<(u64, u64, u64), Failure> {
    let mut said = [0; 3];
    let mut running = Vec::new();
    for number in 0..CLIENTS.min(wanted) {
        let stray = STRAYS[number as usize % STRAYS.len()];
        running.push(tokio::spawn(stray_lines(stray, wanted.div_ceil(CLIENTS.min(wanted)))));
    }
    for one in running {
        said.iter_mut().zip(one.await??).for_each(|(sum, n)| *sum += n);
    }
    let [strays, taken, lost] = said;
    Ok((strays, taken, lost))
}

async fn stray_lines(stray: &'static str, times: u64) -> Result<[u64; 3], Failure> {
    let server = TestServer::start().await?;
    let client = client_of(&[&server], patient()).await?;
    client.set("k", "right").await?;
    let fault = server.faults().add(Fault::stray(stray, IDLE));
    let (mut taken, mut lost, mut round) = (0, 0, 0);
    while fault.injected() < times {
        round += 1;
        until_closed(&client, round).await?;
        match client.get("k").await {
            Ok(Some(value)) if value == "right" => {}
            Ok(_) => taken += 1,
            // The next line came before the request did.
            Err(_) => lost += 1,
        }
    }
    Ok([fault.injected(), taken, lost])
}
