//! P8: a server that says nothing any more is found within a bounded time, whatever is asked meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use memlink::{Client, Event, Limits, Settings};
use memlink_processes::Memcached;
use memlink_testserver::{Fault, TestServer};

use crate::setting::{builder_of, builder_of_real};
use crate::spread::Spread;
use crate::{Checked, Failure, Report, Size};

/// Beyond the silence itself.
const BOUND: Duration = Duration::from_millis(250);

/// How a connection that says nothing is used.
#[derive(Debug, Clone, Copy)]
enum Traffic {
    /// One command, and nobody asks for anything else.
    Single,
    /// So many requests a second.
    Rate(u32),
}

const TRAFFIC: [Traffic; 4] = [Traffic::Single, Traffic::Rate(1), Traffic::Rate(10), Traffic::Rate(1_000)];

/// When a connection was lost, and when there was another one.
#[derive(Debug, Default)]
struct Seen {
    closed: Option<Instant>,
    opened_again: Option<Instant>,
}

pub(crate) async fn run(size: Size) -> Checked {
    let stall_timeout = size.pick(Limits::default().stall_timeout, Duration::from_secs(1));
    let rounds = size.pick(10, 1);
    let mut report = Report::default();
    let mut words = Vec::new();
    let (mut silenced, mut replaced) = (0, 0);
    let each = |traffic| (0..rounds).map(move |_| tokio::spawn(replace(traffic, stall_timeout))).collect::<Vec<_>>();
    let running: Vec<_> = TRAFFIC.into_iter().map(|traffic| (traffic, each(traffic))).collect();
    for (traffic, running) in running {
        let mut spread = Spread::default();
        for one in running {
            let (took, injected) = one.await??;
            silenced += injected;
            replaced += 1;
            spread.note(took);
        }
        words.push(format!("{traffic:?}: {:.1?}", spread.worst()));
        let most = stall_timeout + BOUND;
        report.bound(spread.worst() <= most, || format!("{traffic:?}: replaced after {:?}", spread.worst()));
    }
    let took = stopped(stall_timeout).await?;
    words.push(format!("a stopped memcached, closed after {took:.1?}"));
    report.bound(took <= stall_timeout + BOUND, || format!("a stopped memcached: closed after {took:?}"));
    report.injected("connections frozen", silenced, rounds * TRAFFIC.len() as u64);
    report.injected("connections replaced", replaced, rounds * TRAFFIC.len() as u64);
    report.injected("memcacheds stopped", 1, 1);
    report.reached = format!("stall_timeout {stall_timeout:?}; replaced after, at worst: {}", words.join(", "));
    Ok(report)
}

fn settings(stall_timeout: Duration, seen: &Arc<Mutex<Seen>>) -> Settings {
    let seen = Arc::clone(seen);
    let limits = Limits { stall_timeout, ..Limits::default() };
    // Commands are given up and refused as by default; only the first dial has all the time it needs.
    Settings::default().limits(limits).dial_timeout(Duration::from_secs(30)).on_event(move |event| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Closed { .. } if seen.closed.is_none() => seen.closed = Some(Instant::now()),
            Event::Opened { .. } if seen.closed.is_some() && seen.opened_again.is_none() => {
                seen.opened_again = Some(Instant::now());
            }
            _ => {}
        }
    })
}

/// One connection that is frozen by its next command, while the server goes on to accept others: how long that took.
async fn replace(traffic: Traffic, stall_timeout: Duration) -> Result<(Duration, u64), Failure> {
    let server = TestServer::builder().start().await?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let client = builder_of(&[&server], settings(stall_timeout, &seen))?.connect().await?;
    client.set("k", "v").timeout(Duration::from_secs(30)).await?;
    let fault = server.faults().add(Fault::freeze().key_prefix("k").once());
    let begun = Instant::now();
    let asking = tokio::spawn(ask(client.clone(), traffic));
    let again = until_seen(&seen, |seen| seen.opened_again).await?;
    asking.abort();
    Ok((again.saturating_duration_since(begun), fault.injected()))
}

/// A process that was sent SIGSTOP: its connection is closed, and what comes next is the system's, which accepts on its behalf.
async fn stopped(stall_timeout: Duration) -> Result<Duration, Failure> {
    let memcached = Memcached::start(&["-t", "1"])?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let client = builder_of_real(&memcached, settings(stall_timeout, &seen))?.connect().await?;
    client.set("k", "v").timeout(Duration::from_secs(30)).await?;
    memcached.freeze()?;
    let begun = Instant::now();
    let asking = tokio::spawn(ask(client.clone(), Traffic::Rate(10)));
    let closed = until_seen(&seen, |seen| seen.closed).await?;
    asking.abort();
    Ok(closed.saturating_duration_since(begun))
}

async fn until_seen(seen: &Mutex<Seen>, what: impl Fn(&Seen) -> Option<Instant>) -> Result<Instant, Failure> {
    let look = || what(&seen.lock().unwrap_or_else(PoisonError::into_inner));
    crate::setting::until("the connection is replaced", || look().is_some()).await?;
    look().ok_or_else(|| "it was seen".into())
}

async fn ask(client: Client, traffic: Traffic) {
    let rate = match traffic {
        Traffic::Single => return drop(client.get("k").timeout(Duration::from_secs(60)).await),
        Traffic::Rate(rate) => rate,
    };
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    loop {
        ticks.tick().await;
        // Nobody waits for it before asking for the next.
        tokio::spawn(client.get("k").into_future());
    }
}
