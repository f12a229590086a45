//! The bare socket: what is left when a client does nothing but write and read.
//!
//! It writes the very bytes that memlink sends, opaque included, prepared beforehand, keeps as many in flight as there are callers,
//! and counts replies by their bytes. It writes anew when half of what may be in flight has been answered.

mod lane;
mod prepared;

use self::lane::Lane;
pub use self::prepared::Prepared;
use super::Client;
use crate::harness::Limit;
use crate::workload::Workload;

/// Its connections, open.
pub struct Bare {
    lanes: Vec<Lane>,
    spins: bool,
}

impl Bare {
    pub fn connect(client: Client, workload: &Workload, servers: &[String]) -> Result<Bare, String> {
        let classic = matches!(client, Client::BareClassic | Client::BareClassicSpinning);
        let count = servers.len() * workload.connections;
        let mut lanes = Vec::new();
        for lane in 0..count {
            let callers = workload.callers / count + usize::from(lane < workload.callers % count);
            // Each its own part of the keys.
            let prepared = Prepared::new(workload, lane, classic);
            let depth = prepared.depth(callers, workload);
            let times = client.has_latency(workload);
            let lane = Lane::open(&servers[lane % servers.len()], workload.tls, prepared, depth, times);
            lanes.push(lane.map_err(|error| error.to_string())?);
        }
        Ok(Bare { lanes, spins: client.is_spinning() })
    }

    /// Keeps all connections busy up to the limit; how many operations were answered.
    pub fn run(&mut self, limit: Limit) -> Result<u64, String> {
        let limit = limit.shared_by(self.lanes.len());
        let before: u64 = self.lanes.iter().map(Lane::operations).sum();
        match self.spins {
            true => spin(&mut self.lanes, limit),
            false => sleep(&mut self.lanes, limit),
        }
        .map_err(|error| error.to_string())?;
        Ok(self.lanes.iter().map(Lane::operations).sum::<u64>() - before)
    }
}

/// A thread for each connection, which sleeps while there is nothing to read.
fn sleep(lanes: &mut [Lane], limit: Limit) -> std::io::Result<()> {
    let [lane] = lanes else {
        return std::thread::scope(|scope| {
            let threads: Vec<_> = lanes.iter_mut().map(|lane| scope.spawn(move || lane.run(limit))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("a lane does not panic"))
        });
    };
    lane.run(limit)
}

/// One thread that asks every connection in turn and never sleeps.
fn spin(lanes: &mut [Lane], limit: Limit) -> std::io::Result<()> {
    for lane in &mut *lanes {
        lane.start(limit, true)?;
    }
    loop {
        let mut busy = false;
        for lane in &mut *lanes {
            busy |= lane.turn()?;
        }
        if !busy {
            return Ok(());
        }
    }
}
