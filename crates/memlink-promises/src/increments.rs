//! P4: increments whose requests and replies are lost. Each adds a number of its own, so that the server's log names it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memlink::{Client, Limits, Settings};
use memlink_testserver::{Executed, Fault, TestServer};

use crate::account::End;
use crate::setting::{client_of, imbalance, patient, until};
use crate::{Checked, Report, Size};

const CALLERS: u64 = 16;

/// Which part of the commands each fault strikes.
const CHANCE: f64 = 0.02;

/// An increment by one is sent without its number.
const DELTA_MIN: u64 = 2;

/// What the server has executed.
#[derive(Debug, Default)]
struct Log {
    /// How often each number was added.
    added: HashMap<u64, u32>,
    opaques: HashSet<(u64, Vec<u8>)>,
    repeated_opaques: u64,
}

impl Log {
    fn note(&mut self, executed: &Executed) {
        if executed.verb() != Some(b"ma") {
            return;
        }
        let delta = executed.words().skip(2).find_map(|word| word.strip_prefix(b"D"));
        let delta = delta.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or_default();
        *self.added.entry(delta).or_default() += 1;
        if let Some(opaque) = executed.opaque() {
            self.repeated_opaques += u64::from(!self.opaques.insert((executed.session, opaque.to_vec())));
        }
    }
}

/// What one caller was told of its counter: sums, and how each increment has ended.
#[derive(Debug, Default)]
struct Told {
    replied: u64,
    unknown: u64,
    ends: Vec<(u64, End)>,
}

pub(crate) async fn run(size: Size) -> Checked {
    let increments = size.pick(100_000, 3_000);
    let log = Arc::new(Mutex::new(Log::default()));
    let noted = Arc::clone(&log);
    let server = TestServer::builder()
        .seed(4)
        .on_command(move |executed| noted.lock().unwrap_or_else(PoisonError::into_inner).note(executed))
        .start()
        .await?;
    let client = client_of(&[&server], settings()).await?;
    for caller in 0..CALLERS {
        client.set(counter(caller), "0").await?;
    }
    let lost_reply = server.faults().add(Fault::swallow().verb("ma").chance(CHANCE));
    let lost_request = server.faults().add(Fault::lose().verb("ma").chance(CHANCE));
    let cut = server.faults().add(Fault::reset().anywhere().verb("ma").chance(CHANCE / 2.0));

    let next = Arc::new(AtomicU64::new(DELTA_MIN));
    let callers = (0..CALLERS)
        .map(|caller| tokio::spawn(call(client.clone(), caller, Arc::clone(&next), DELTA_MIN + increments)));
    let callers: Vec<_> = callers.collect();
    let mut told = Vec::new();
    for caller in callers {
        told.push(caller.await?);
    }
    server.faults().set([]);
    let injected = [lost_reply.injected(), lost_request.injected(), cut.injected()];
    client.close(Duration::from_secs(5)).await;
    until("the server has read everything", || server.stats().connections_open == 0).await?;

    let mut report = Report::default();
    report.injected("lost replies", injected[0], size.of(1_000));
    report.injected("lost requests", injected[1], size.of(1_000));
    report.injected("connections cut", injected[2], size.of(100));
    let reader = client_of(&[&server], patient()).await?;
    let mut out_of_bounds = 0;
    for (caller, told) in told.iter().enumerate() {
        let got = reader.get(counter(caller as u64)).await?;
        let is = got.and_then(|value| value.to_counter()).ok_or("a counter is gone")?;
        let (least, most) = (told.replied, told.replied + told.unknown);
        out_of_bounds += u64::from(!(least..=most).contains(&is));
        report.must((least..=most).contains(&is), || format!("a counter is {is}, not {least} to {most}"));
    }
    let ends: Vec<_> = told.iter().flat_map(|told| &told.ends).collect();
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let runs = |delta: &u64| log.added.get(delta).copied().unwrap_or_default();
    let twice = ends.iter().filter(|(delta, _)| runs(delta) > 1).count();
    let false_not_sent = ends.iter().filter(|(delta, end)| *end == End::NotSent && runs(delta) > 0).count();
    let not_run = ends.iter().filter(|(delta, end)| *end == End::Replied && runs(delta) == 0).count();
    let count = |end: End| ends.iter().filter(|(_, other)| *other == end).count();
    report.reached = format!(
        "{} increments, {} replied, {} unknown, {} not sent: counters out of bounds {out_of_bounds}, run twice {twice}, repeated \
         opaques {}, false not sent {false_not_sent}, answered and not run {not_run}",
        ends.len(),
        count(End::Replied),
        count(End::Open),
        count(End::NotSent),
        log.repeated_opaques,
    );
    report.must(twice == 0, || format!("{twice} increments ran twice"));
    report.must(log.repeated_opaques == 0, || format!("{} opaques came twice", log.repeated_opaques));
    report.must(false_not_sent == 0, || format!("{false_not_sent} increments ran although they were not sent"));
    report.must(not_run == 0, || format!("{not_run} increments were answered and did not run"));
    let left = imbalance(&client);
    report.must(left == 0, || format!("{left} commands are not accounted for"));
    Ok(report)
}

fn counter(caller: u64) -> String {
    format!("counter-{caller}")
}

/// A reply that is lost last of all is found by silence.
fn settings() -> Settings {
    let limits = Limits { stall_timeout: Duration::from_millis(100), ..Limits::default() };
    let settings = patient().limits(limits).connections_per_server(2);
    settings.backoff(Duration::from_millis(1), Duration::from_millis(5))
}

async fn call(client: Client, caller: u64, next: Arc<AtomicU64>, end: u64) -> Told {
    let mut told = Told::default();
    loop {
        let delta = next.fetch_add(1, Ordering::Relaxed);
        if delta >= end {
            return told;
        }
        let counted = client.increment(counter(caller)).by(delta).await;
        let end = End::of(&counted);
        match end {
            End::Replied => told.replied += delta,
            End::Open => told.unknown += delta,
            // So that not all of them are spent on a server that is known to be down.
            End::NotSent => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        told.ends.push((delta, end));
    }
}
