//! What can go wrong, and the words for it.

use super::when::When;
use bytes::Bytes;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Something that goes wrong on request: what, and when.
///
/// The constructors say *what*; by itself a fault strikes every time it can.
/// The methods say *when* it strikes, and where in the reply; they can be
/// combined. A fault that concerns connections takes no notice of conditions
/// that ask for a command.
///
/// ```
/// use memlink_testserver::Fault;
///
/// let fault = Fault::error_line("SERVER_ERROR out of memory").verb("mg").key_prefix("user:").every(10);
/// assert_eq!(fault.to_string(), "error-line=SERVER_ERROR out of memory,verb=mg,key-prefix=user:,every=10");
/// assert_eq!(fault.to_string().parse(), Ok(fault));
/// ```
///
/// Text is read and written as on the command line of the binary; the names are
/// those of the constructors.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a fault does nothing until a server is given it"]
pub struct Fault {
    pub(super) what: What,
    pub(super) when: When,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Arrival(Arrival),
    Refuse,
    ConnectionsMax(usize),
    Pace(Pace),
    Throttle(u32),
    Cut { cut: Cut, at: At },
    Lose,
    ErrorLine(Bytes),
    Edit(Edit),
    Stray { bytes: Bytes, after: Duration },
    IdleClose(Duration),
    Flap { up: Duration, down: Duration },
}

/// What happens to a connection that has just been accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arrival {
    Reset,
    Close,
    Silent,
    Banner(Bytes),
}

/// How the bytes of replies are spread over time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pace {
    Delay(RangeInclusive<Duration>),
    Trickle { bytes: usize, every: Duration },
    Coalesce(Duration),
}

/// What happens to a connection at a certain byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Freeze,
    Close,
    Reset,
    HalfClose,
    Kill,
    Restart,
}

/// Which byte that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Before this byte of a reply, counted from 0.
    Reply(usize),
    /// Behind a reply.
    ReplyEnd,
    /// Before this byte of all that a connection is sent, counted from 0.
    Stream(u64),
    /// Somewhere inside a reply.
    Anywhere,
}

/// What is done to the bytes of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Edit {
    Instead(Bytes),
    Garbage(usize),
    WrongLength(i64),
    NoLineEnd,
    LineBefore(Bytes),
    LineAfter(Bytes),
    Duplicate,
    Swallow,
    Swap,
    WrongOpaque,
}

/// When a connection comes.
impl Fault {
    /// Nobody listens: connecting is refused, by the system itself. Connections
    /// that are open stay. It counts as injected once, when the listener is
    /// closed; [`Faults::settled`](crate::Faults::settled) waits for that.
    pub fn refuse() -> Fault {
        Fault::new(What::Refuse)
    }

    /// A connection is accepted and reset (RST).
    pub fn reset_on_connect() -> Fault {
        Fault::new(What::Arrival(Arrival::Reset))
    }

    /// A connection is accepted and closed (FIN).
    pub fn close_on_connect() -> Fault {
        Fault::new(What::Arrival(Arrival::Close))
    }

    /// A connection is accepted, and then nothing is read or said, not even a
    /// TLS handshake, until it is thawed; see [`Fault::freeze`].
    pub fn silent_on_connect() -> Fault {
        Fault::new(What::Arrival(Arrival::Silent))
    }

    /// A connection is told this line, without waiting for a command, and
    /// closed. memcached says `ERROR Too many open connections`.
    pub fn banner(line: impl AsRef<[u8]>) -> Fault {
        Fault::new(What::Arrival(Arrival::Banner(with_end(line.as_ref()))))
    }

    /// Connections beyond so many are told that there are too many, as beyond
    /// the server's own limit.
    pub fn connections_max(connections: usize) -> Fault {
        Fault::new(What::ConnectionsMax(connections))
    }
}

/// On the way.
impl Fault {
    /// Each reply comes this much later. Commands are read meanwhile, as over a
    /// longer line.
    pub fn delay(by: Duration) -> Fault {
        Fault::delay_between(by..=by)
    }

    /// Each reply comes later by a time drawn evenly from this range. Replies
    /// keep their order, so one may have to wait for the one before it.
    pub fn delay_between(range: RangeInclusive<Duration>) -> Fault {
        Fault::new(What::Pace(Pace::Delay(range)))
    }

    /// A reply leaves in pieces of so many bytes, one every so often.
    pub fn trickle(bytes: usize, every: Duration) -> Fault {
        Fault::new(What::Pace(Pace::Trickle { bytes: bytes.max(1), every }))
    }

    /// Replies wait for each other: those of one window of time leave together
    /// at its end. A window begins with the first reply after the last one.
    pub fn coalesce(window: Duration) -> Fault {
        Fault::new(What::Pace(Pace::Coalesce(window)))
    }

    /// The server, all connections together, executes so many commands a second
    /// and no more. What comes faster waits unread. It counts the commands that
    /// had to wait.
    pub fn throttle(commands_per_second: u32) -> Fault {
        Fault::new(What::Throttle(commands_per_second.max(1)))
    }

    /// A connection stops before the reply: nothing is read or written, and it
    /// stays open. It goes on when it is thawed, by
    /// [`Faults::thaw`](crate::Faults::thaw) or because the fault is removed.
    pub fn freeze() -> Fault {
        Fault::cut(Cut::Freeze)
    }

    /// A connection is no longer read from after the reply, until it is thawed:
    /// the buffers between fill up.
    pub fn stop_reading() -> Fault {
        Fault::new(What::Cut { cut: Cut::Freeze, at: At::ReplyEnd })
    }

    /// A connection is closed (FIN) before the reply. Commands that came behind
    /// it are not executed.
    pub fn close() -> Fault {
        Fault::cut(Cut::Close)
    }

    /// As [`Fault::close`], with a reset (RST). A stream that is no TCP socket
    /// is just dropped.
    pub fn reset() -> Fault {
        Fault::cut(Cut::Reset)
    }

    /// As [`Fault::close`], but only this server's direction: commands are read
    /// and executed as before, and none is answered.
    pub fn half_close() -> Fault {
        Fault::cut(Cut::HalfClose)
    }

    /// The whole server dies before the reply, as by
    /// [`TestServer::kill`](crate::TestServer::kill).
    pub fn kill() -> Fault {
        Fault::cut(Cut::Kill)
    }

    /// The whole server dies before the reply and is back at once, without its
    /// items.
    pub fn restart() -> Fault {
        Fault::cut(Cut::Restart)
    }
}

/// What is answered.
impl Fault {
    /// A command is not executed and not answered.
    pub fn lose() -> Fault {
        Fault::new(What::Lose)
    }

    /// A command is not executed, and answered with this line. A command that
    /// says `noreply` is spared.
    pub fn error_line(line: impl AsRef<[u8]>) -> Fault {
        Fault::new(What::ErrorLine(with_end(line.as_ref())))
    }

    /// A command is executed, and these bytes are sent instead of its reply.
    pub fn instead(bytes: impl AsRef<[u8]>) -> Fault {
        Fault::edit(Edit::Instead(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// So many random bytes and a line end are sent instead of a reply.
    pub fn garbage(bytes: usize) -> Fault {
        Fault::edit(Edit::Garbage(bytes))
    }

    /// A reply with a value announces so many bytes more than there are, or
    /// fewer if negative.
    pub fn wrong_length(by: i64) -> Fault {
        Fault::edit(Edit::WrongLength(by))
    }

    /// The last line end of a reply is missing.
    pub fn no_line_end() -> Fault {
        Fault::edit(Edit::NoLineEnd)
    }

    /// A reply has this line before it.
    pub fn line_before(line: impl AsRef<[u8]>) -> Fault {
        Fault::edit(Edit::LineBefore(with_end(line.as_ref())))
    }

    /// A reply has this line behind it.
    pub fn line_after(line: impl AsRef<[u8]>) -> Fault {
        Fault::edit(Edit::LineAfter(with_end(line.as_ref())))
    }

    /// A reply comes twice.
    pub fn duplicate() -> Fault {
        Fault::edit(Edit::Duplicate)
    }

    /// A command is executed and not answered.
    pub fn swallow() -> Fault {
        Fault::edit(Edit::Swallow)
    }

    /// A reply changes places with the one before it. It strikes only where
    /// that one was not written yet, so where commands came together.
    pub fn swap() -> Fault {
        Fault::edit(Edit::Swap)
    }

    /// The opaque of a reply is another one, of the same length.
    pub fn wrong_opaque() -> Fault {
        Fault::edit(Edit::WrongOpaque)
    }
}

/// While nothing is asked, and the server as a whole.
impl Fault {
    /// A connection that has been idle for this long is sent these bytes, once
    /// each time it becomes idle.
    pub fn stray(bytes: impl AsRef<[u8]>, after: Duration) -> Fault {
        Fault::new(What::Stray { bytes: Bytes::copy_from_slice(bytes.as_ref()), after })
    }

    /// A connection that has been idle for this long is closed.
    pub fn idle_close(after: Duration) -> Fault {
        Fault::new(What::IdleClose(after))
    }

    /// The server can be reached for a while, then its connections are cut and
    /// new ones refused for a while, and so on. It keeps its items, as behind a
    /// bad cable. It counts how often it went away.
    pub fn flap(up: Duration, down: Duration) -> Fault {
        Fault::new(What::Flap { up: up.max(FLAP_MIN), down: down.max(FLAP_MIN) })
    }

    /// One of each fault that concerns one connection or one reply, each with
    /// its share of `rate`, which says how many of the commands are struck: 0.01
    /// for one in a hundred.
    ///
    /// With [`ServerBuilder::seed`](crate::ServerBuilder::seed) a run can be
    /// repeated.
    pub fn mix(rate: f64) -> Vec<Fault> {
        super::mix::mix(rate)
    }

    fn new(what: What) -> Fault {
        Fault { what, when: When::default() }
    }

    fn cut(cut: Cut) -> Fault {
        Fault::new(What::Cut { cut, at: At::Reply(0) })
    }

    fn edit(edit: Edit) -> Fault {
        Fault::new(What::Edit(edit))
    }
}

/// Shorter than a timer can tell; without a bound the server would do nothing else.
const FLAP_MIN: Duration = Duration::from_millis(1);

fn with_end(line: &[u8]) -> Bytes {
    [line, b"\r\n"].concat().into()
}

/// Where [`Fault::freeze`], [`Fault::close`] and their kin strike.
impl Fault {
    /// Before this byte of the reply, counted from 0, instead of before all of
    /// it. Replies that are not longer are spared.
    pub fn in_reply(self, byte: usize) -> Fault {
        self.at(At::Reply(byte))
    }

    /// Before this byte of all that the connection is sent, counted from 0.
    pub fn in_stream(self, byte: u64) -> Fault {
        self.at(At::Stream(byte))
    }

    /// Before a byte of the reply that is drawn at random, the first excepted.
    pub fn anywhere(self) -> Fault {
        self.at(At::Anywhere)
    }

    fn at(mut self, new: At) -> Fault {
        if let What::Cut { at, .. } = &mut self.what {
            *at = new;
        }
        self
    }
}

/// When a fault strikes. What is counted are the commands that it could strike:
/// of that verb, with that prefix, with a value where it needs one.
impl Fault {
    /// Only commands that begin with this word, such as `mg` or `ms`.
    pub fn verb(mut self, verb: impl AsRef<[u8]>) -> Fault {
        self.when.verb = Some(Bytes::copy_from_slice(verb.as_ref()));
        self
    }

    /// Only commands whose key begins so.
    pub fn key_prefix(mut self, prefix: impl AsRef<[u8]>) -> Fault {
        self.when.key_prefix = Some(Bytes::copy_from_slice(prefix.as_ref()));
        self
    }

    /// Not the first so many.
    pub fn after(mut self, count: u64) -> Fault {
        self.when.after = count;
        self
    }

    /// Every so many-th.
    pub fn every(mut self, nth: u64) -> Fault {
        self.when.every = nth.max(1);
        self
    }

    /// Each with this probability, from 0 to 1. The seed decides which.
    pub fn chance(mut self, probability: f64) -> Fault {
        self.when.chance = probability;
        self
    }

    /// So often and then no more.
    pub fn times(mut self, count: u64) -> Fault {
        self.when.times = count;
        self
    }

    /// Once and then no more.
    pub fn once(self) -> Fault {
        self.times(1)
    }
}
