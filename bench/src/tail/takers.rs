//! Those who send what is due.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::TailJob;
use super::pacer::{Due, Pace};
use crate::client::{Caller, Memlink, Prepared};
use crate::data::{Choices, Data};
use crate::harness::latency::{self, Percentiles};
use crate::workload::Workload;

const WARM_UP: Duration = Duration::from_millis(200);

fn workload() -> Result<&'static Workload, String> {
    Workload::find("W3").ok_or("there is no W3".to_owned())
}

/// A task for each request, as in a server that starts one for each of its own requests.
pub fn memlink(job: &TailJob) -> Result<Percentiles, String> {
    let workload = workload()?;
    let data: &'static Data = Box::leak(Box::new(Data::new(workload)));
    let runtime = crate::harness::runtime(job.flavour)?;
    let mut callers = runtime.block_on(Memlink::connect(workload, std::slice::from_ref(&job.server)))?;
    let caller = callers.pop().ok_or("no caller")?;
    drop(callers);
    let (dues, mut taken) = tokio::sync::mpsc::unbounded_channel::<Due>();
    let pace = Pace::new(job.rate);
    let sending = async move {
        let mut choices = Choices::new(0);
        let mut tasks = tokio::task::JoinSet::new();
        while let Some(due) = taken.recv().await {
            for number in due.from..due.to {
                let (mut caller, key) = (caller.clone(), choices.key(data));
                tasks.spawn(async move {
                    let result = caller.get(&data.keys[key], data).await;
                    note(pace, number);
                    result
                });
            }
            while tasks.try_join_next().is_some() {}
        }
        while let Some(result) = tasks.join_next().await {
            result.map_err(|error| error.to_string())??;
        }
        Ok::<(), String>(())
    };
    let pacer = std::thread::spawn({
        let window = WARM_UP + Duration::from_millis(job.window_ms);
        move || pace.run(window, |due| dues.send(due).unwrap_or_default())
    });
    runtime.block_on(runtime.spawn(sending)).map_err(|error| error.to_string())??;
    pacer.join().map_err(|_| "the pacer has panicked")?;
    latency::percentiles().ok_or("nothing was measured".to_owned())
}

/// Four sockets, each with a thread that writes what is due and one that counts the replies.
pub fn bare(job: &TailJob) -> Result<Percentiles, String> {
    let workload = workload()?;
    let pace = Pace::new(job.rate);
    let window = WARM_UP + Duration::from_millis(job.window_ms);
    let lanes: Result<Vec<Lane>, std::io::Error> =
        (0..workload.connections).map(|number| Lane::open(&job.server, workload, number)).collect();
    let lanes = lanes.map_err(|error| error.to_string())?;
    std::thread::scope(|scope| {
        let (mut senders, mut threads) = (Vec::new(), Vec::new());
        for lane in &lanes {
            let (sender, taken) = channel::<Due>();
            senders.push(sender);
            threads.push(scope.spawn(move || lane.write(&taken, workload.connections as u64)));
            threads.push(scope.spawn(move || lane.read(pace)));
        }
        pace.run(window, |due| senders.iter().for_each(|sender| sender.send(due).unwrap_or_default()));
        drop(senders);
        threads.into_iter().try_for_each(|thread| thread.join().expect("a lane does not panic"))
    })
    .map_err(|error| error.to_string())?;
    latency::percentiles().ok_or("nothing was measured".to_owned())
}

fn note(pace: Pace, number: u64) {
    let due_at = pace.due_at(number);
    if due_at >= pace.due_at(0) + WARM_UP {
        latency::record(Instant::now().saturating_duration_since(due_at));
    }
}

/// One socket and the numbers of the requests that are in flight on it.
struct Lane {
    stream: TcpStream,
    prepared: Prepared,
    number: u64,
    in_flight: Mutex<VecDeque<u64>>,
}

impl Lane {
    fn open(server: &str, workload: &Workload, number: usize) -> std::io::Result<Lane> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let prepared = Prepared::new(workload, number, false);
        Ok(Lane { stream, prepared, number: number as u64, in_flight: Mutex::new(VecDeque::new()) })
    }

    /// Every fourth of what is due, in one write as far as the bytes lie together.
    fn write(&self, taken: &Receiver<Due>, lanes: u64) -> std::io::Result<()> {
        let (mut lines, mut written) = (0, 0);
        for due in taken {
            let own = (due.from..due.to).filter(|number| number % lanes == self.number);
            let before = lines;
            {
                let mut in_flight = self.in_flight.lock().expect("noting does not panic");
                for number in own {
                    in_flight.push_back(number);
                    lines += 1;
                }
            }
            while lines > before && written < self.prepared.asked_bytes(lines) {
                written += (&self.stream).write(self.prepared.slice(written, self.prepared.asked_bytes(lines)))? as u64;
            }
        }
        // The server answers what it has and closes; that ends the reading.
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    fn read(&self, pace: Pace) -> std::io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let (mut answered, mut received) = (0, 0);
        loop {
            match (&self.stream).read(&mut buffer)? {
                0 => return Ok(()),
                n => received += n as u64,
            }
            while self.prepared.answered_bytes(answered + 1) <= received {
                answered += 1;
                let number = self.in_flight.lock().expect("noting does not panic").pop_front();
                note(pace, number.ok_or(std::io::ErrorKind::InvalidData)?);
            }
        }
    }
}
