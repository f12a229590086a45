//! P1, P3, P4: is there an order of all operations on each key that explains every answer of a real memcached, which is stopped and
//! continued, behind a relay that cuts connections at any byte?

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memlink::{Client, Error, Outcome, Server, SetOutcome, Settings};
use memlink_history::{Answered, Asked, History, Item};
use memlink_processes::Memcached;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{Checked, Failure, Report, Size};

/// Callers of one round.
const CALLERS: u64 = 8;

/// Keys of one round, half of them counters; the next one has others, so that what is unknown of a key stays little.
const KEYS: u64 = 16;

/// Operations of one caller in one round.
const OPERATIONS: u64 = 80;

/// How long a command may take: less than memcached stands still.
const TIMEOUT: Duration = Duration::from_millis(20);

pub(crate) async fn run(size: Size) -> Checked {
    let rounds = size.pick(800, 8);
    let memcached = Memcached::start(&["-M", "-t", "2"])?;
    let relay = Relay::start(memcached.address()).await?;
    let server = Server::tcp(&relay.address.to_string())?;
    let settings = Settings::default().timeout(TIMEOUT).backoff(Duration::from_millis(1), Duration::from_millis(5));
    let client = Client::builder().server(server).settings(settings).build()?;
    let seen = Arc::new(Seen::default());
    let (mut stops, mut checked) = (0, memlink_history::Checked::default());
    let mut report = Report::default();
    for round in 0..rounds {
        let callers = (0..CALLERS).map(|caller| tokio::spawn(call(client.clone(), seen.clone(), round, caller)));
        let callers: Vec<_> = callers.collect();
        if round % 4 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            memcached.freeze()?;
            stops += 1;
            tokio::time::sleep(TIMEOUT * 2).await;
            memcached.thaw()?;
        }
        for caller in callers {
            caller.await??;
        }
        let history = std::mem::take(&mut *seen.history());
        match history.check() {
            Ok(of_round) => {
                checked.keys += of_round.keys;
                checked.operations += of_round.operations;
                checked.undecided += of_round.undecided;
            }
            Err(wrong) => report.must(false, || wrong.to_string()),
        }
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let operations = rounds * CALLERS * OPERATIONS;
    report.injected("connections cut", count(&relay.cuts), rounds / 2);
    report.injected("stops of memcached", stops, rounds / 4);
    report.injected("operations of unknown outcome", count(&seen.unknown), rounds);
    report.injected("not sent", count(&seen.not_sent), 0);
    // What is given up has shown nothing.
    report.must(checked.undecided as u64 * 100 <= rounds * KEYS, || format!("{} keys undecided", checked.undecided));
    report.reached = format!(
        "{operations} operations on {} keys: without an order {}, undecided {}",
        rounds * KEYS,
        report.wrong.len(),
        checked.undecided
    );
    Ok(report)
}

#[derive(Default)]
struct Seen {
    history: Mutex<History>,
    clock: AtomicU64,
    values: AtomicU64,
    unknown: AtomicU64,
    not_sent: AtomicU64,
}

impl Seen {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Notes what was asked and what came of it.
    async fn note<T>(
        &self,
        key: &str,
        asked: Asked,
        request: impl IntoFuture<Output = Result<T, Error>>,
        read: impl FnOnce(T) -> Result<Answered, Failure>,
    ) -> Result<(), Failure> {
        let (began, request) = (self.now(), request.into_future());
        let operation = self.history().begin(key.as_bytes(), began, asked);
        match request.await {
            Ok(answer) => {
                let (answered, ended) = (read(answer)?, self.now());
                self.history().answer(&operation, ended, answered);
            }
            Err(error) if error.outcome() == Outcome::NotSent => {
                self.not_sent.fetch_add(1, Ordering::Relaxed);
                self.history().not_sent(&operation);
            }
            Err(error) if error.outcome() == Outcome::Unknown => _ = self.unknown.fetch_add(1, Ordering::Relaxed),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

async fn call(client: Client, seen: Arc<Seen>, round: u64, caller: u64) -> Result<(), Failure> {
    let mut dice = fastrand::Rng::with_seed(round * CALLERS + caller);
    for _ in 0..OPERATIONS {
        let number = dice.u64(..KEYS);
        let key = format!("{round}-{number}");
        match number % 2 {
            0 => ask_of_parts(&client, &seen, &mut dice, &key).await?,
            _ => ask_of_counter(&client, &seen, &mut dice, &key).await?,
        }
    }
    Ok(())
}

async fn ask_of_parts(client: &Client, seen: &Seen, dice: &mut fastrand::Rng, key: &str) -> Result<(), Failure> {
    let value = seen.values.fetch_add(1, Ordering::Relaxed) + 1;
    let text = format!("{value},");
    let done = |is_done: bool| Ok(if is_done { Answered::Done } else { Answered::Refused });
    match dice.u8(..10) {
        0 | 1 => seen.note(key, Asked::Set(value), client.set(key, text), |()| Ok(Answered::Done)).await,
        2 => seen.note(key, Asked::Add(value), client.add(key, text), done).await,
        3 | 4 => seen.note(key, Asked::Append(value), client.append(key, text), done).await,
        5 => seen.note(key, Asked::Delete, client.delete(key), done).await,
        6 => swap(client, seen, key, value, text).await,
        _ => seen.note(key, Asked::Get, client.get(key), |got| Ok(Answered::Item(item(got.as_deref())?))).await,
    }
}

/// Reads, and stores what is new if nobody has come in between.
async fn swap(client: &Client, seen: &Seen, key: &str, value: u64, text: String) -> Result<(), Failure> {
    let mut found = None;
    let read = |got: Option<memlink::Value>| {
        let item = item(got.as_deref())?;
        found = item.clone().zip(got.and_then(|got| got.cas()));
        Ok(Answered::Item(item))
    };
    seen.note(key, Asked::Get, client.get(key).with_cas(), read).await?;
    let Some((item, cas)) = found else { return Ok(()) };
    let swapped = |stored: memlink::Stored| match stored.outcome {
        SetOutcome::Stored => Ok(Answered::Done),
        _ => Ok(Answered::Refused),
    };
    seen.note(key, Asked::Swap { seen: item, to: value }, client.set(key, text).compare_cas(cas), swapped).await
}

async fn ask_of_counter(client: &Client, seen: &Seen, dice: &mut fastrand::Rng, key: &str) -> Result<(), Failure> {
    let by = dice.u64(1..10);
    let count = |count: Option<u64>| Ok(count.map_or(Answered::Refused, Answered::Count));
    let done = |is_done: bool| Ok(if is_done { Answered::Done } else { Answered::Refused });
    match dice.u8(..8) {
        0..4 => seen.note(key, Asked::Increment(by), client.increment(key).by(by).initial(by), count).await,
        4 => seen.note(key, Asked::IncrementThere(by), client.increment(key).by(by), count).await,
        5 => seen.note(key, Asked::Delete, client.delete(key), done).await,
        _ => {
            let read = |got: Option<memlink::Value>| {
                let text = got.as_deref().map(std::str::from_utf8).transpose()?;
                Ok(Answered::Item(text.map(|text| text.trim().parse().map(Item::Count)).transpose()?))
            };
            seen.note(key, Asked::Get, client.get(key), read).await
        }
    }
}

fn item(value: Option<&[u8]>) -> Result<Option<Item>, Failure> {
    let Some(value) = value else { return Ok(None) };
    let parts = std::str::from_utf8(value)?.split_terminator(',').map(str::parse).collect::<Result<_, _>>()?;
    Ok(Some(Item::Parts(parts)))
}

/// Between client and server: each connection is cut after some bytes of commands or of replies.
struct Relay {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Relay {
    async fn start(to: SocketAddr) -> Result<Relay, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = cuts.clone();
        let accepting = tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(relay(stream, to, fastrand::Rng::with_seed(number), counted.clone()));
            }
        });
        Ok(Relay { address, cuts, accepting })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(mut near: TcpStream, to: SocketAddr, mut dice: fastrand::Rng, cuts: Arc<AtomicU64>) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    let bytes = 200 + dice.u64(..20_000);
    let (commands, replies) = if dice.bool() { (bytes, u64::MAX) } else { (u64::MAX, bytes) };
    let ((near_reads, near_writes), (far_reads, far_writes)) = (near.split(), far.split());
    let is_cut = tokio::select! {
        n = pass(near_reads, far_writes, commands) => n == commands,
        n = pass(far_reads, near_writes, replies) => n == replies,
    };
    cuts.fetch_add(u64::from(is_cut), Ordering::Relaxed);
}

/// Passes on so many bytes at the most, and says how many.
async fn pass(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    most: u64,
) -> u64 {
    let (mut passed, mut buffer) = (0, [0; 4096]);
    while passed < most {
        let room = (most - passed).min(buffer.len() as u64) as usize;
        let Ok(n @ 1..) = from.read(&mut buffer[..room]).await else { break };
        if to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
        passed += n as u64;
    }
    passed
}
