use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memlink_core::Broken;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::LinkState;
use super::names::Answers;

/// What the links to one server have in common: one dial at a time, however many links there are, none while the server rests after a
/// failure, and not many in a short time. A server that comes back, or does not, is not stormed.
#[derive(Clone)]
pub(crate) struct DialGate(Arc<Gate>);

struct Gate {
    turn: Arc<Semaphore>,
    /// How often all connections were asked to be replaced.
    renewals: AtomicU64,
    rest: Mutex<Option<Rest>>,
    redials: Mutex<Redials>,
    answers: Answers,
    /// How each link stands, and the best of them.
    states: Mutex<Vec<LinkState>>,
    state: watch::Sender<LinkState>,
}

/// After a failure, until the next dial of the link that had it.
struct Rest {
    until: Instant,
    why: Broken,
}

impl DialGate {
    /// A gate for one server with so many links, which is dialled anew after pauses of up to `backoff_cap`.
    pub(crate) fn new(links: usize, backoff_cap: Duration) -> DialGate {
        DialGate(Arc::new(Gate {
            turn: Arc::new(Semaphore::new(1)),
            renewals: AtomicU64::new(0),
            rest: Mutex::new(None),
            redials: Mutex::new(Redials { interval: (backoff_cap / 3).min(REDIAL_INTERVAL_MAX), free_at: None }),
            answers: Answers::default(),
            states: Mutex::new(vec![LinkState::Idle; links]),
            state: watch::Sender::new(LinkState::Idle),
        }))
    }

    /// The addresses that the server's name had when one of the links looked.
    pub(super) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// Whether there is more than one link to the server.
    pub(super) fn has_several(&self) -> bool {
        lock(&self.0.states).len() > 1
    }

    /// Waits for the turn to dial; an error while the server rests.
    pub(super) async fn turn(&self) -> io::Result<OwnedSemaphorePermit> {
        let turn = self.0.turn.clone().acquire_owned().await.map_err(io::Error::other)?;
        match &*lock(&self.0.rest) {
            Some(rest) if Instant::now() < rest.until => Err(match &rest.why {
                Broken::Refused(refusal) => io::Error::other(refusal.clone()),
                other => io::Error::other(other.to_string()),
            }),
            _ => Ok(turn),
        }
    }

    /// When a link may be dialled that had a connection before; `None`: now, and it is counted. A single link is bounded by its own
    /// pauses.
    pub(super) fn redial(&self) -> Option<Instant> {
        if !self.has_several() {
            return None;
        }
        let now = Instant::now();
        // While it rests there will be no dial, only its error.
        let is_resting = lock(&self.0.rest).as_ref().is_some_and(|rest| now < rest.until);
        if is_resting { None } else { lock(&self.0.redials).take(now).err() }
    }

    /// A dial has failed, and whoever dialled does it again at `until`. Nobody else does before; a failure that was only this rest
    /// does not make it longer.
    pub(super) fn rest(&self, until: Instant, why: &Broken) {
        let mut rest = lock(&self.0.rest);
        if rest.as_ref().is_none_or(|rest| rest.until <= Instant::now()) {
            *rest = Some(Rest { until, why: why.clone() });
        }
    }

    /// The server answers.
    pub(super) fn end_rest(&self) {
        *lock(&self.0.rest) = None;
    }

    /// Connections that were dialled before this moment are to be replaced.
    pub(crate) fn renew(&self) {
        self.0.renewals.fetch_add(1, Ordering::Relaxed);
    }

    /// Grows whenever connections are to be replaced.
    pub(super) fn renewals(&self) -> u64 {
        self.0.renewals.load(Ordering::Relaxed)
    }

    /// The link with this number stands otherwise than before: `state` says how, when it is asked. Whoever comes late does not put an
    /// old state over a new one.
    pub(super) fn set_state(&self, link: usize, state: impl Fn() -> LinkState) {
        // Watchers are told when neither lock is held any more.
        self.0.state.send_if_modified(|now| {
            let mut states = lock(&self.0.states);
            let state = state();
            if let Some(slot) = states.get_mut(link) {
                *slot = state;
            }
            let best = states.iter().copied().max_by_key(|state| state.rank()).unwrap_or(state);
            std::mem::replace(now, best) != best
        });
    }

    /// How the way to the server stands: as the best of its links.
    pub(crate) fn state(&self) -> LinkState {
        *self.0.state.borrow()
    }

    /// Tells of every change of it.
    pub(crate) fn watch_state(&self) -> watch::Receiver<LinkState> {
        self.0.state.subscribe()
    }
}

fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often the links to one server are dialled anew, all together: a few at once, then one in every interval. A wide pool whose
/// server flaps would dial all of its links each time.
#[derive(Debug)]
struct Redials {
    interval: Duration,
    /// When all that were taken will have come back.
    free_at: Option<Instant>,
}

/// The longest interval, however long the pauses after failures may be.
const REDIAL_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// Redials that may follow one another at once.
const REDIALS_MAX: u32 = 8;

impl Redials {
    /// Takes one, or says when there will be one.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let free_at = self.free_at.map_or(now, |free_at| free_at.max(now));
        let full_at = now + self.interval * (REDIALS_MAX - 1);
        if free_at > full_at {
            return Err(now + (free_at - full_at));
        }
        self.free_at = Some(free_at + self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_redials_at_once_and_then_one_in_an_interval() {
        let now = Instant::now();
        let mut redials = Redials { interval: Duration::from_secs(1), free_at: None };
        for _ in 0..REDIALS_MAX {
            assert_eq!(redials.take(now), Ok(()));
        }
        for seconds in 1..30 {
            let at = now + Duration::from_secs(seconds);
            assert_eq!(redials.take(at - Duration::from_millis(1)), Err(at));
            assert_eq!(redials.take(at), Ok(()));
        }
        let later = now + Duration::from_secs(100);
        assert_eq!((0..20).filter(|_| redials.take(later).is_ok()).count(), REDIALS_MAX as usize);
    }

    #[test]
    fn a_server_stands_as_the_best_of_its_links() {
        let gate = DialGate::new(2, Duration::from_secs(3));
        for (link, state, best) in [
            (0, LinkState::Dialling, LinkState::Dialling),
            (0, LinkState::Down, LinkState::Idle),
            (1, LinkState::Open, LinkState::Open),
            (1, LinkState::Down, LinkState::Down),
            (0, LinkState::Closed, LinkState::Down),
            (1, LinkState::Closed, LinkState::Closed),
        ] {
            gate.set_state(link, || state);
            assert_eq!(gate.state(), best);
        }
    }

    /// Two tell of the same link at the same time: the later state stays, whoever is the first at the gate.
    #[test]
    fn a_state_that_comes_late_is_not_put_over_a_new_one() {
        let gate = DialGate::new(1, Duration::from_secs(3));
        let state = std::sync::Mutex::new(LinkState::Down);
        let now = || *lock(&state);
        *lock(&state) = LinkState::Open;
        gate.set_state(0, now);
        // Whoever has seen it down.
        gate.set_state(0, now);
        assert_eq!(gate.state(), LinkState::Open);
    }
}
