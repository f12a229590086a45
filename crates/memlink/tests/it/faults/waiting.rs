//! Commands that have not left, or not whole.

use std::sync::Arc;
use std::time::Duration;

use memlink::{Limits, Settings};
use memlink_testserver::{Fault, TestServer};
use tokio::time::Instant;

use super::{Pair, WIDE, attended, keys_of, told, value_of};
use crate::show::Show as _;
use crate::wait::until_async;

/// What a pipe of the tests about full buffers holds.
const NARROW: usize = 1000;

fn large() -> Vec<u8> {
    vec![b'x'; 100_000]
}

/// The server reads no more. What is written in part when its time is over may still be written whole, so it is unknown; what is
/// behind it was not sent. The silence ends the connection.
#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_holds_up_what_is_written() {
    for fault in [Fault::stop_reading(), Fault::freeze()] {
        let pair = Pair::with(NARROW, Settings::default()).await;
        let fault = pair.server.faults().add(fault.verb("mg").key_prefix("last").once());
        let name = fault.fault().to_string();
        let begun = Instant::now();
        let (_, large, behind) = tokio::join!(
            pair.client.get("last").into_future(),
            pair.client.set("large", large()).into_future(),
            pair.client.get("behind").into_future(),
        );
        assert_eq!(fault.injected(), 1, "{name}");
        assert_eq!((large.show(), behind.show()), ("Deadline Unknown".into(), "Deadline NotSent".into()), "{name}");
        assert_eq!(begun.elapsed().as_millis() / 10, 100, "{name}: the deadline is one second");
        tokio::time::sleep(Duration::from_secs(3)).await;
        pair.is_well().await;
        assert_eq!(pair.opened(), 2, "{name}");
        assert!(!pair.has_run("mg", "behind"), "{name}: not sent means not run");
    }
}

/// A connection that is lost under a command that is written in part: it goes again by itself, on another one.
#[tokio::test(start_paused = true)]
async fn what_was_cut_in_writing_goes_again() {
    let limits = Limits { stall_timeout: Duration::from_millis(300), ..Limits::default() };
    let pair = Pair::with(NARROW, Settings::default().limits(limits)).await;
    let fault = pair.server.faults().add(Fault::stop_reading().verb("mg").once());
    let (_, large) =
        tokio::join!(pair.client.get("last").into_future(), pair.client.set("large", large()).into_future(),);
    assert_eq!(fault.injected(), 1);
    assert_eq!(large.show(), "done");
    assert_eq!(pair.opened(), 2);
    let sets = pair.server.executed().iter().filter(|command| command.key() == Some(b"large")).count();
    assert_eq!(sets, 1, "written twice, run once");
}

/// What cannot be opened sends nothing: each way of not being let in is told soon, and none is told as unknown.
#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_has_sent_nothing() {
    for fault in [
        Fault::close_on_connect(),
        Fault::reset_on_connect(),
        Fault::silent_on_connect(),
        Fault::banner("ERROR Too many open connections"),
        Fault::banner("220 mail ESMTP"),
        Fault::swallow().verb("version"),
        Fault::lose().verb("version"),
        Fault::freeze().in_reply(4).verb("version"),
        Fault::instead("HTTP/1.1 400 Bad Request\r\n\r\n").verb("version"),
        Fault::garbage(30).verb("version"),
        Fault::error_line("SERVER_ERROR no").verb("version"),
        Fault::swallow().key_prefix("memlink:probe"),
        Fault::instead("MN\r\n").key_prefix("memlink:probe"),
        Fault::close().key_prefix("memlink:probe"),
    ] {
        let pair = Pair::start().await;
        let fault = pair.server.faults().add(fault);
        let name = fault.fault().to_string();
        // The connection there is goes, so that the next has to be opened.
        pair.server.faults().add(Fault::close().verb("ma"));
        pair.client.increment("n").await.expect_err("it is closed");
        for n in 0..20 {
            let key = format!("{name}-{n}").replace(' ', "_");
            let begun = Instant::now();
            let told = told(pair.client.get(&key).await, &key);
            assert!(told.ends_with(" NotSent"), "{name}: {told}");
            assert!(begun.elapsed() <= Duration::from_millis(1002), "{name}: {:?}", begun.elapsed());
            assert!(!pair.has_run("mg", &key));
            // So that the next dial is due.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert!(fault.injected() >= 3, "{name} struck {} times", fault.injected());
        pair.is_well().await;
    }
}

/// One of two servers is frozen for a minute: its keys are late at first and then refused at once, the other's are served.
#[tokio::test(start_paused = true)]
async fn a_frozen_server_holds_up_its_own_keys_alone() {
    let (good, bad) = tokio::join!(TestServer::start(), TestServer::start());
    let (good, bad) = (Arc::new(good.expect("starts")), Arc::new(bad.expect("starts")));
    let client = attended(&[good.clone(), bad.clone()], WIDE, Settings::default()).await;
    let (good_keys, bad_keys) = (keys_of(&client, &good, 20), keys_of(&client, &bad, 20));
    for key in good_keys.iter().chain(&bad_keys) {
        client.set(key, value_of(key)).await.expect("a set");
    }
    bad.freeze();
    let begun = Instant::now();
    let mut told_of_bad = Vec::new();
    while begun.elapsed() < Duration::from_secs(60) {
        for (good, bad) in good_keys.iter().zip(&bad_keys) {
            let asked = Instant::now();
            let (from_good, from_bad) = tokio::join!(client.get(good).into_future(), client.get(bad).into_future());
            assert_eq!(told(from_good, good), "right");
            told_of_bad.push(told(from_bad, bad));
            assert!(asked.elapsed() <= Duration::from_millis(1002), "{:?}", asked.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let count = |what: &str| told_of_bad.iter().filter(|told| *told == what).count();
    let (late, refused) = (count("Deadline Unknown") + count("ConnectionLost Unknown"), count("ServerDown NotSent"));
    assert!((1..=4).contains(&late), "{late} commands were sent in the three seconds until it was found out");
    assert!(refused > 100, "{refused} were refused at once");
    bad.thaw();
    until_async("it is used again", async || told(client.get(&bad_keys[0]).await, &bad_keys[0]) == "right").await;
    let counters = client.stats().servers.into_iter().map(|server| (server.server, server.counters.opened));
    let opened: std::collections::HashMap<_, _> = counters.collect();
    assert_eq!(opened[&good.address()], 1, "{opened:?}");
}

/// Closing takes no longer than it is given, whatever is owed.
#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_ever() {
    for (fault, victim) in [
        (Fault::freeze(), "ConnectionLost Unknown"),
        (Fault::freeze().in_reply(20), "ConnectionLost Unknown"),
        (Fault::swallow(), "ConnectionLost Unknown"),
        (Fault::trickle(1, Duration::from_millis(100)), "ConnectionLost Unknown"),
        (Fault::delay(Duration::from_millis(200)), "right"),
        (Fault::trickle(1, Duration::from_millis(1)), "right"),
    ] {
        let pair = Pair::with(WIDE, Settings::default().timeout(Duration::from_secs(60))).await;
        pair.client.set("victim", value_of("victim")).await.expect("a set");
        let fault = pair.server.faults().add(fault.verb("mg"));
        let name = fault.fault().to_string();
        let get = tokio::spawn(pair.client.get("victim").into_future());
        crate::wait::until("it has struck", || fault.injected() == 1).await;
        let begun = Instant::now();
        pair.client.close(Duration::from_millis(500)).await;
        assert!(begun.elapsed() <= Duration::from_millis(502), "{name}: {:?}", begun.elapsed());
        let told = told(get.await.expect("no panic"), "victim");
        assert!(told == victim || (victim != "right" && told == "Closed Unknown"), "{name}: {told}");
        assert_eq!(pair.client.get("victim").await.show(), "Closed NotSent", "{name}");
    }
}

/// Ten times as much as the server can serve, and callers that are refused when there is no room: it goes on to serve as much as it
/// can, and nobody waits longer than it was ready to.
#[tokio::test(start_paused = true)]
async fn an_overloaded_server_is_still_of_use() {
    const CAPACITY: u32 = 2_000;
    // Half of what is served within a deadline.
    let limits = Limits { in_flight_max: 100, ..Limits::default() };
    let settings = Settings::default().timeout(Duration::from_millis(100)).limits(limits).wait_when_full(false);
    let pair = Pair::with(WIDE, settings).await;
    let throttle = pair.server.faults().add(Fault::throttle(CAPACITY).verb("mg"));
    let begun = Instant::now();
    let callers: Vec<_> = (0..200)
        .map(|caller| {
            let client = pair.client.clone();
            tokio::spawn(async move {
                let mut served = 0_u32;
                while begun.elapsed() < Duration::from_secs(2) {
                    let asked = Instant::now();
                    match client.get(format!("key-{caller}")).await.show().as_str() {
                        "none" => served += 1,
                        // In ten milliseconds there is room for twenty of two hundred.
                        "QueueFull NotSent" => tokio::time::sleep(Duration::from_millis(10)).await,
                        told => panic!("{told} after {:?}", asked.elapsed()),
                    }
                }
                served
            })
        })
        .collect();
    let mut served = 0;
    for caller in callers {
        served += caller.await.expect("no panic");
    }
    assert!(throttle.injected() > 0);
    assert!(served >= 2 * CAPACITY * 9 / 10, "{served} of {} were served", 2 * CAPACITY);
    pair.is_well().await;
    assert_eq!(pair.opened(), 1);
}

/// The same with callers who wait for room: those who get it are answered in time, and the others learn that they are too late while
/// nothing has been written for them.
#[tokio::test(start_paused = true)]
async fn an_overloaded_server_is_of_use_to_those_who_wait() {
    const CAPACITY: u32 = 2_000;
    const TIMEOUT: Duration = Duration::from_millis(100);
    let limits = Limits { in_flight_max: 100, ..Limits::default() };
    let pair = Pair::with(WIDE, Settings::default().timeout(TIMEOUT).limits(limits)).await;
    let throttle = pair.server.faults().add(Fault::throttle(CAPACITY).verb("mg"));
    let begun = Instant::now();
    let is_over = move || begun.elapsed() >= Duration::from_secs(2);
    let callers: Vec<_> = (0..1_000)
        .map(|caller| {
            let client = pair.client.clone();
            tokio::spawn(async move {
                let [mut served, mut refused, mut late] = [0_u32; 3];
                while !is_over() {
                    let asked = Instant::now();
                    match client.get(format!("key-{caller}")).await.show().as_str() {
                        _ if is_over() => {}
                        "none" => served += 1,
                        "Deadline NotSent" => refused += 1,
                        "Deadline Unknown" => late += 1,
                        told => panic!("{told} after {:?}", asked.elapsed()),
                    }
                    assert!(asked.elapsed() <= TIMEOUT + Duration::from_millis(2), "{:?}", asked.elapsed());
                }
                [served, refused, late]
            })
        })
        .collect();
    let mut told = [0; 3];
    for caller in callers {
        let by_one = caller.await.expect("no panic");
        told.iter_mut().zip(by_one).for_each(|(sum, n)| *sum += n);
    }
    println!("{told:?} were served, refused and late");
    let [served, refused, late] = told;
    assert!(throttle.injected() > 0);
    assert!(served + refused + late >= 2 * 10 * CAPACITY, "it is no overload: {told:?}");
    assert!(served >= 2 * CAPACITY * 9 / 10, "{served} of {} were served", 2 * CAPACITY);
    // Those who came before the pace of the server was known.
    assert!(late <= CAPACITY / 10, "{late} were written for and came too late");
    pair.is_well().await;
    assert_eq!(pair.opened(), 1);
}
