//! A server that answers everything with a fault of its own is left alone, and asked now and then whether it is better.

use std::sync::{Arc, Weak};
use std::time::Duration;

use memlink_meta::{Get, Key, Meta};
use tokio::time::sleep;

use crate::cluster::Exchange;
use crate::error::Error;
use crate::link::{LeftAlone, Link, Timing};

/// How long one probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Judges the server of a request by its answer.
#[inline]
pub(crate) fn note<T>(link: &Arc<Link<Meta>>, result: &Result<T, Error>) {
    match result {
        Ok(_) => link.note_answer(),
        Err(error) if error.is_of_backend() => note_fault(link, error),
        Err(_) => {}
    }
}

#[cold]
fn note_fault(link: &Arc<Link<Meta>>, error: &Error) {
    link.note_fault(error.fault_text().unwrap_or_default(), |left_alone| {
        // Where it cannot run it is dropped, and resumes the link by that.
        link.spawn(probe(Resumes(Arc::downgrade(link), left_alone)));
    });
}

/// Asks until an answer is good, after ever longer pauses. Ends with the link, or when its connection does: then another one has to show
/// what it is worth.
async fn probe(suspended: Resumes) {
    let Resumes(link, left_alone) = &suspended;
    let Some(mut backoff) = link.upgrade().map(|link| link.backoff()) else { return };
    for number in 0_u64.. {
        sleep(backoff.next_wait(fastrand::u64(..))).await;
        let Some(link) = link.upgrade().filter(|link| link.is_left_alone(*left_alone)) else { return };
        // Another key each time: a proxy may have lost one server of many.
        let Ok(key) = Key::new(format!("memlink:probe:{number}")) else { return };
        let timing = Timing { is_probe: true, ..Timing::new(Some(PROBE_TIMEOUT), false) };
        let asked = Exchange::over(link.clone(), Get::without_value(key).with_size(), timing).once();
        if matches!(asked.await, Ok(Ok(_))) {
            return;
        }
    }
}

/// Resumes the connection in the end, also when the runtime that asks goes before the link does.
struct Resumes(Weak<Link<Meta>>, LeftAlone);

impl Drop for Resumes {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.resume(self.1);
        }
    }
}
