//! P7: requests that expire while nothing can be written, and what is written when it can be again.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fastrand::Rng;
use memlink::generic::{ConnectFuture, Connector, Stream};
use memlink::{Address, Client, ErrorKind, Outcome};
use memlink_testserver::TestServer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::setting::{builder_of, imbalance, patient, say, until};
use crate::{Checked, Report, Size};

/// Later than its deadline by no more may a request's first byte leave.
const BOUND: Duration = Duration::from_millis(10);

const CALLERS: u64 = 1_000;

/// How often nothing can be written, at least.
const PHASES_MIN: u64 = 20;

/// Between the client and its sockets: shut, it takes no byte, as full buffers do; and it sees when each line begins to leave.
#[derive(Debug, Clone, Default)]
struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    writers: Vec<Waker>,
    /// How often somebody wanted to write while it was shut.
    held_up: u64,
    /// Of the line that is being written: what there is of it, and when it began.
    line: Vec<u8>,
    began: Option<Instant>,
    lines: u64,
    late: u64,
    latest: Duration,
    /// Keys name microseconds since then.
    epoch: Option<Instant>,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shut(&self) {
        self.state().is_shut = true;
    }

    fn open(&self) {
        let writers = {
            let mut state = self.state();
            state.is_shut = false;
            std::mem::take(&mut state.writers)
        };
        writers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// These bytes have been taken at this moment.
    fn taken(&mut self, bytes: &[u8], now: Instant) {
        for byte in bytes {
            let began = *self.began.get_or_insert(now);
            if *byte == b'\n' {
                self.line_left(began);
                self.line.clear();
                self.began = None;
            } else {
                self.line.push(*byte);
            }
        }
    }

    /// The key of a request says when it is over.
    fn line_left(&mut self, began: Instant) {
        let text = String::from_utf8_lossy(&self.line);
        let Some(deadline) = text.split(' ').nth(1).and_then(|key| key.strip_prefix("late-")) else { return };
        let micros = deadline.split('-').next().and_then(|digits| digits.parse().ok());
        let (Some(micros), Some(epoch)) = (micros, self.epoch) else { return };
        self.lines += 1;
        let over = began.saturating_duration_since(epoch + Duration::from_micros(micros));
        self.latest = self.latest.max(over);
        self.late += u64::from(over > BOUND);
    }
}

impl Connector for Gate {
    fn connect(&self, address: &Address) -> ConnectFuture {
        let (address, gate) = (address.to_string(), self.clone());
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::pin(Gated { stream, gate }) as Pin<Box<dyn Stream>>)
        })
    }
}

struct Gated {
    stream: TcpStream,
    gate: Gate,
}

impl AsyncRead for Gated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, space)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gate = self.gate.clone();
        let mut state = gate.state();
        if state.is_shut {
            state.held_up += 1;
            state.writers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(n)) = &written {
            state.taken(&bytes[..*n], Instant::now());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What callers were told.
#[derive(Debug, Default)]
struct Told {
    expired: u64,
    of_them_sent: u64,
    served: u64,
    other: u64,
    is_over: bool,
}

pub(crate) async fn run(size: Size) -> Checked {
    let wanted = size.of(100_000);
    let server = TestServer::start().await?;
    let gate = Gate::default();
    let epoch = Instant::now();
    gate.state().epoch = Some(epoch);
    let client = builder_of(&[&server], patient().connector(gate.clone()))?.connect().await?;
    let told = Arc::new(Mutex::new(Told::default()));
    let callers: Vec<_> =
        (0..CALLERS).map(|number| tokio::spawn(call(client.clone(), Arc::clone(&told), number, epoch))).collect();
    let mut dice = Rng::with_seed(7);
    let mut phases = 0;
    while of(&told).expired < wanted || phases < PHASES_MIN {
        gate.shut();
        tokio::time::sleep(Duration::from_millis(dice.u64(20..120))).await;
        gate.open();
        tokio::time::sleep(Duration::from_millis(dice.u64(1..10))).await;
        phases += 1;
        if phases % 100 == 0 {
            say("late", &format!("{} of {wanted} requests", of(&told).expired));
        }
    }
    of(&told).is_over = true;
    for caller in callers {
        caller.await?;
    }
    client.close(Duration::from_secs(5)).await;
    until("everything has ended", || imbalance(&client) == 0).await?;
    let (told, state) = (of(&told), gate.state());
    let mut report = Report::default();
    report.injected("requests expired", told.expired, wanted);
    report.injected("times that nothing could be written", phases, PHASES_MIN);
    report.injected("writes held up", state.held_up, phases / 2);
    report.injected("requests served", told.served, 1);
    report.reached = format!(
        "{} expired, {} of them after they had begun to leave; of {} lines written late {}, the latest {:.2?} after its deadline",
        told.expired, told.of_them_sent, state.lines, state.late, state.latest,
    );
    report.must(told.other == 0, || format!("{} other errors", told.other));
    report.bound(state.late == 0, || format!("{} lines were written later than deadline + {BOUND:?}", state.late));
    Ok(report)
}

fn of(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn call(client: Client, told: Arc<Mutex<Told>>, number: u64, epoch: Instant) {
    let mut dice = Rng::with_seed(number);
    while !of(&told).is_over {
        let deadline = Instant::now() + Duration::from_micros(dice.u64(1_000..50_000));
        let key = format!("late-{}-{number}", deadline.duration_since(epoch).as_micros());
        let got = client.get(key).deadline(deadline).await;
        let mut told = of(&told);
        match got {
            Ok(_) => told.served += 1,
            Err(error) if error.kind() == ErrorKind::Deadline => {
                told.expired += 1;
                told.of_them_sent += u64::from(error.outcome() != Outcome::NotSent);
            }
            Err(_) => told.other += 1,
        }
    }
}
