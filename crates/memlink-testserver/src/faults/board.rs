//! Which faults a server has, for its owner to change and its connections to see.

use super::chance::Draw;
use super::fault::{Arrival, Fault, What};
use super::when::Count;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The faults of one server; see [`TestServer::faults`](crate::TestServer::faults).
/// Clones are of the same server.
///
/// What is changed here holds for every command that comes later, also on
/// connections that are open.
#[derive(Debug, Clone)]
pub struct Faults {
    pub(crate) board: Arc<Board>,
}

/// One fault that a server has, or had.
#[derive(Debug, Clone)]
pub struct FaultHandle {
    installed: Arc<Installed>,
    board: Arc<Board>,
}

#[derive(Debug)]
pub(crate) struct Board {
    /// Whether there is anything to look for. All that a connection asks while
    /// there is not.
    active: AtomicBool,
    state: Mutex<State>,
    /// Counts the changes of `state`; those who wait for something wait here.
    changes: watch::Sender<u64>,
    /// The latest change that the listener has obeyed.
    obeyed: watch::Sender<u64>,
    connections: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    seed: u64,
    installed: Vec<Arc<Installed>>,
    /// How often everything was thawed.
    thaws: u64,
    frozen: bool,
    doom: Option<Doom>,
    removed_injected: u64,
}

/// What a fault wants of the whole server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doom {
    Kill,
    Restart,
}

/// A fault in its place, with what it has done.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(super) fault: Fault,
    pub(super) count: Count,
    /// Its place among the faults, which the seed's draws depend on.
    place: u64,
    removed: AtomicBool,
    /// Of a throttle: until when it is taken.
    busy_until: Mutex<Option<Instant>>,
}

/// What a connection looks at: the faults as they were at the latest change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(super) seed: u64,
    pub(super) installed: Vec<Arc<Installed>>,
}

impl Faults {
    pub(crate) fn new(seed: u64, faults: Vec<Fault>) -> Faults {
        let board = Board {
            active: AtomicBool::new(false),
            state: Mutex::new(State { seed, ..State::default() }),
            changes: watch::Sender::new(0),
            obeyed: watch::Sender::new(0),
            connections: AtomicU64::new(0),
        };
        let all = Faults { board: Arc::new(board) };
        all.set(faults);
        all
    }

    /// Adds a fault to those there are. Where several concern the same command,
    /// those that were added first go first; what is answered, and what happens
    /// to the connection, is decided by one of each kind.
    pub fn add(&self, fault: Fault) -> FaultHandle {
        let installed = self.board.change(|state| {
            let installed = Arc::new(Installed::new(fault, state.installed.len() as u64));
            state.installed.push(Arc::clone(&installed));
            installed
        });
        FaultHandle { installed, board: Arc::clone(&self.board) }
    }

    /// Has these faults instead of those there are.
    pub fn set(&self, faults: impl IntoIterator<Item = Fault>) -> Vec<FaultHandle> {
        self.board.change(|state| {
            state.remove_all();
            let places = faults.into_iter().zip(0..);
            state.installed.extend(places.map(|(fault, place)| Arc::new(Installed::new(fault, place))));
        });
        self.handles()
    }

    /// Has no faults any more. What is frozen goes on.
    pub fn clear(&self) {
        self.set([]);
    }

    /// Decides anew what chance does; 0 at first.
    pub fn seed(&self, seed: u64) {
        self.board.change(|state| state.seed = seed);
    }

    /// Lets every connection go on that a fault has frozen. The faults stay and
    /// may freeze it again.
    pub fn thaw(&self) {
        self.board.change(|state| state.thaws += 1);
    }

    /// The faults there are, in their order.
    pub fn handles(&self) -> Vec<FaultHandle> {
        let state = self.board.state();
        let handle = |installed: &Arc<Installed>| FaultHandle {
            installed: Arc::clone(installed),
            board: Arc::clone(&self.board),
        };
        state.installed.iter().map(handle).collect()
    }

    /// How often any fault of this server was injected since it started, those
    /// included that were removed.
    pub fn injected(&self) -> u64 {
        let state = self.board.state();
        state.installed.iter().map(|installed| installed.count.injected()).sum::<u64>() + state.removed_injected
    }

    /// Waits until the server listens, or does not, as the faults want it now.
    /// Returns at once when the server has stopped.
    pub async fn settled(&self) {
        let wanted = *self.board.changes.borrow();
        let mut obeyed = self.board.obeyed.subscribe();
        // An error cannot be: the board, which sends, is held here.
        let _ = obeyed.wait_for(|obeyed| *obeyed >= wanted).await;
    }
}

impl FaultHandle {
    /// What it is.
    pub fn fault(&self) -> &Fault {
        &self.installed.fault
    }

    /// How often it was injected. A fault that could not do anything, such as a
    /// wrong length where there is no value, was not.
    pub fn injected(&self) -> u64 {
        self.installed.count.injected()
    }

    /// Removes it from its server. What it has frozen goes on.
    pub fn remove(&self) {
        self.board.change(|state| state.remove(&self.installed));
    }
}

impl State {
    fn remove(&mut self, which: &Arc<Installed>) {
        if let Some(index) = self.installed.iter().position(|installed| Arc::ptr_eq(installed, which)) {
            let removed = self.installed.remove(index);
            removed.removed.store(true, Ordering::SeqCst);
            self.removed_injected += removed.count.injected();
        }
    }

    fn remove_all(&mut self) {
        while let Some(last) = self.installed.last().cloned() {
            self.remove(&last);
        }
    }
}

impl Board {
    /// Whether there is any fault, or the server is frozen.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::SeqCst)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot { seed: state.seed, installed: state.installed.clone() }
    }

    /// Whether the whole server is.
    pub(crate) fn is_frozen(&self) -> bool {
        self.is_active() && self.state().frozen
    }

    pub(crate) fn set_frozen(&self, frozen: bool) {
        self.change(|state| state.frozen = frozen);
    }

    pub(crate) fn thaws(&self) -> u64 {
        self.state().thaws
    }

    /// What becomes of a connection that has been accepted, and by which fault.
    pub(crate) fn arrival(&self) -> Option<(Arrival, Arc<Installed>)> {
        if !self.is_active() {
            return None;
        }
        let snapshot = self.snapshot();
        let nth = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        snapshot.installed.iter().find_map(|installed| match &installed.fault.what {
            What::Arrival(arrival) if installed.strikes(snapshot.seed, 0, nth) => {
                Some((arrival.clone(), Arc::clone(installed)))
            }
            _ => None,
        })
    }

    /// Whether one more than `open` connections is one too many.
    pub(crate) fn is_full(&self, open: usize) -> bool {
        self.is_active()
            && self.state().installed.iter().any(|installed| match installed.fault.what {
                What::ConnectionsMax(most) if open >= most => {
                    installed.count.raise();
                    true
                }
                _ => false,
            })
    }

    /// The fault that wants nobody to listen.
    pub(crate) fn refusal(&self) -> Option<Arc<Installed>> {
        self.state().installed.iter().find(|installed| installed.fault.what == What::Refuse).cloned()
    }

    /// The fault that makes the server come and go: how long it is there, and
    /// how long it is not.
    pub(crate) fn flap(&self) -> Option<(Arc<Installed>, Duration, Duration)> {
        self.state().installed.iter().find_map(|installed| match installed.fault.what {
            What::Flap { up, down } => Some((Arc::clone(installed), up, down)),
            _ => None,
        })
    }

    /// The server is to die, as soon as its thread looks.
    pub(crate) fn doom(&self, doom: Doom) {
        self.change(|state| state.doom = Some(doom));
    }

    pub(crate) fn take_doom(&self) -> Option<Doom> {
        self.state().doom.take()
    }

    /// The listener has done what was wanted at this change.
    pub(crate) fn obeyed(&self, change: u64) {
        self.obeyed.send_replace(change);
    }

    fn change<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        let changed = {
            let mut state = self.state();
            let changed = how(&mut state);
            self.active.store(!state.installed.is_empty() || state.frozen, Ordering::SeqCst);
            changed
        };
        self.changes.send_modify(|changes| *changes += 1);
        changed
    }

    /// Nothing that is done under this lock can leave it half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Installed {
    fn new(fault: Fault, place: u64) -> Installed {
        Installed {
            fault,
            count: Count::default(),
            place,
            removed: AtomicBool::new(false),
            busy_until: Mutex::new(None),
        }
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }

    /// Counts that it has struck, where there are no conditions to ask.
    pub(crate) fn raise(&self) {
        self.count.raise();
    }

    pub(super) fn draw(&self, seed: u64, connection: u64, occasion: u64) -> Draw {
        Draw::new(seed, self.place, connection, occasion)
    }

    pub(super) fn strikes(&self, seed: u64, connection: u64, occasion: u64) -> bool {
        self.fault.when.strikes(&self.count, self.draw(seed, connection, occasion))
    }

    /// Takes the next turn of those that a throttle gives; it is over at the
    /// moment returned.
    pub(super) fn turn(&self, per_second: u32, now: Instant) -> Instant {
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever wakes late has lost nothing, up to a little.
        let begin = busy_until.map_or(now, |until| until.max(now - TURNS_KEPT));
        let end = begin + Duration::from_secs(1) / per_second;
        *busy_until = Some(end);
        end
    }
}

/// How long turns that nobody took can still be taken. Timers are good to a
/// millisecond, and a busy machine adds some.
const TURNS_KEPT: Duration = Duration::from_millis(5);
