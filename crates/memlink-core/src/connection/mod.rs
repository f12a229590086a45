use alloc::collections::VecDeque;
use alloc::sync::Arc;

use crate::encoder::Trash;
use crate::mutants::Mutated;
use crate::outgoing::{Outgoing, Transmit};
use crate::pace::Pace;
use crate::pending::Entry;
use crate::waiters::Waiters;
use crate::{Cause, Limits, Protocol, Stats, Tick};

mod callers;
mod driver;
mod expiry;
mod inline;
mod mutated;
mod opening;
mod replace;
mod room;
mod suspension;
mod transport;

pub use callers::{Abandoned, Admission, Looked, Refused};
pub use inline::Inline;
pub use transport::Remains;

/// The conductor: takes commands and bytes, gives bytes and replies, and holds the order and nothing else.
///
/// One value serves a server for as long as there is a link to it. It may be opened and closed many times; what belongs to one
/// connection (buffers, order, serial numbers) is made anew each time, so nothing of an old connection can meet a new one.
///
/// `W` is whatever stands for a waiting caller: a waker, a number in a test. It is handed back when the caller should look
/// ([`poll`](Connection::poll)); it is never called, cloned or dropped in here except with the whole connection. Values that
/// were handed in are not dropped here either: what is no longer needed goes out with a [`Transmit`] or with [`Remains`].
///
/// ```text
///   callers        submit, poll, enter, abandon              wherever they run          callers.rs, room.rs
///                  take_inline -> write -> inline_done       on an idle connection      inline.rs
///   -----------------------------------------------------------------------------
///   one driver     dialling / opened / closed / down         when the transport changes transport.rs, opening.rs
///                  retire, closed, adopt; or resume          when it is replaced        replace.rs
///                  poll_sent, then poll_transmit -> write -> Incoming::handle_written   driver.rs
///                  or expect_driver, to come back after a turn
///                  read -> Incoming::handle_input
///                  poll_sent -> Incoming::poll_replies -> handle_replies
///                  handle_timeout at poll_timeout                                       expiry.rs
///                  suspend / resume             when the server is not to be trusted    suspension.rs
/// ```
///
/// Those who share it put it behind a lock. No method does more work than the commands or replies it is given, except
/// [`closed`](Connection::closed), [`down`](Connection::down) and an expiry, which look at every waiting caller once.
#[derive(Debug)]
pub struct Connection<P: Protocol, W> {
    protocol: Arc<P>,
    limits: Arc<Limits>,
    phase: Phase,
    waiters: Waiters<W>,
    /// Number of the present connection; what was handed out for an earlier one is recognised by it.
    life: u32,
    /// The socket is there: between `opened` and `closed`.
    is_connected: bool,
    peer: Option<P::Peer>,
    outgoing: Outgoing<P::Expect>,
    /// Commands written by a caller and not yet passed on to [`Incoming`](crate::Incoming).
    sent: VecDeque<Entry<P::Expect>>,
    sent_at: Tick,
    serial: u64,
    /// Offset in the stream up to which bytes were written, as far as is known here.
    written: u64,
    /// Offset in the stream up to which bytes were handed to the driver.
    handed: u64,
    /// Offset in the stream up to which commands cannot be taken back, though they may not have been written yet: the driver
    /// was told that they have left while a caller was writing them.
    settled: u64,
    /// What an inline write could not finish.
    unfinished: Option<Transmit<P::Expect>>,
    is_writing_inline: bool,
    may_write_inline: bool,
    /// Entries on the wire or queued for it.
    in_flight: usize,
    /// Room promised to callers who were woken to use it: commands, and their bytes.
    reserved: usize,
    reserved_bytes: usize,
    /// Callers who were promised room on a connection that is lost, and have not come back to the line yet.
    stranded: usize,
    /// Memory of the replies that have come and were not fetched.
    unclaimed: usize,
    /// When each of those who left a command behind has left it, oldest first: one for every abandoned command.
    left_at: VecDeque<Tick>,
    /// Values to be dropped by the driver, where no lock is held.
    trash: Trash,
    /// When promises that were not used are looked at.
    promises_at: Tick,
    /// Promises of an earlier round are looked at then; those of this one were made since the last look.
    promise_round: u32,
    opening_ends: Tick,
    pace: Pace,
    is_driver_notified: bool,
    driver_armed: Tick,
    stats: Stats,
    mutated: Mutated,
}

/// How the way to the server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// There is no connection and none is being made. Commands wait; whoever brings one wakes the driver, which looks whether one
    /// [is wanted](Connection::is_wanted).
    Idle,
    /// A connection is being made; commands wait.
    Dialling,
    /// The socket is there and the opening exchange runs; commands wait.
    Opening,
    /// Commands are sent.
    Open,
    /// The connection is there and the server is not to be asked any more for now ([`Connection::suspend`]): commands are refused at
    /// once with this cause. What is in flight stays.
    Suspended(Cause),
    /// The server is known to be unreachable or to refuse us; commands are refused at once with this cause.
    Down(Cause),
    /// The socket of a server that was [down](Phase::Down) is there again and the opening exchange runs. Commands go on being
    /// refused until it has ended well: a frozen server accepts connections, too.
    Reopening(Cause),
    /// Being shut down: what is in flight may finish, nothing new is taken.
    Draining,
    /// Shut down.
    Shutdown,
}

impl<P: Protocol, W> Connection<P, W> {
    /// A connection that is not open.
    #[must_use]
    pub fn new(protocol: Arc<P>, limits: Arc<Limits>) -> Connection<P, W> {
        Connection {
            protocol,
            limits,
            phase: Phase::Idle,
            waiters: Waiters::new(),
            life: 0,
            is_connected: false,
            peer: None,
            outgoing: Outgoing::new(),
            sent: VecDeque::new(),
            sent_at: Tick::ZERO,
            serial: 0,
            written: 0,
            handed: 0,
            settled: 0,
            unfinished: None,
            is_writing_inline: false,
            may_write_inline: false,
            in_flight: 0,
            reserved: 0,
            reserved_bytes: 0,
            stranded: 0,
            unclaimed: 0,
            left_at: VecDeque::new(),
            trash: Trash::default(),
            promises_at: Tick::NEVER,
            promise_round: 0,
            opening_ends: Tick::NEVER,
            pace: Pace::default(),
            is_driver_notified: false,
            driver_armed: Tick::NEVER,
            stats: Stats::default(),
            mutated: Mutated::default(),
        }
    }

    /// Lets go of memory that an idle connection does not need.
    pub fn shrink(&mut self) {
        if self.outgoing.is_empty() {
            self.outgoing.shrink();
        }
        self.sent.shrink_to_fit();
        self.left_at.shrink_to_fit();
    }

    /// The driver comes back by itself after a turn: until then nobody needs to wake it.
    pub fn expect_driver(&mut self) {
        self.is_driver_notified = true;
    }

    /// Whether the driver has to be told; it is told once until it has looked.
    fn notify_driver(&mut self) -> bool {
        !core::mem::replace(&mut self.is_driver_notified, true)
    }

    /// Whether the driver holds bytes that it has not written yet, as far as is known here.
    fn driver_writes(&self) -> bool {
        self.handed > self.written
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Draining | Phase::Shutdown)
    }

    /// How the way to the server stands.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What the opening exchange has learned; `None` while the connection is not open.
    #[must_use]
    pub fn peer(&self) -> Option<&P::Peer> {
        self.peer.as_ref()
    }

    /// Bytes queued and not yet taken for writing.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.outgoing.len()
    }

    /// Commands on the wire or queued for it, abandoned ones included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether commands wait for a connection.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.waiters.waiting() + self.stranded > 0
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.in_flight == 0
    }

    /// Whether too many abandoned commands are on the connection: it is to be closed with
    /// [`Broken::Abandoned`](crate::Broken::Abandoned). To be asked after [`poll_transmit`](Connection::poll_transmit), which
    /// takes back those that can still be taken back.
    #[must_use]
    pub fn has_too_many_abandoned(&self) -> bool {
        self.left_at.len() > self.limits.abandoned_max
    }

    /// How many connections have been opened so far: the number of the present one.
    #[must_use]
    #[inline]
    pub fn opened_so_far(&self) -> u64 {
        self.stats.opened
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            in_flight: self.in_flight,
            waiting: self.waiters.waiting(),
            abandoned_now: self.left_at.len(),
            ..self.stats
        }
    }
}
