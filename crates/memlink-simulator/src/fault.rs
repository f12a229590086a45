use std::fmt;

/// What goes wrong. Times are nanoseconds of the simulated clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A connection is reset: what is under way in both directions is lost.
    Reset,
    /// The server ends a connection behind what it has answered so far.
    Finish,
    /// A connection is lost behind so many more bytes of commands.
    CutCommands(usize),
    /// A connection is lost behind so many more bytes of replies: in the middle of a line or of a value, mostly.
    CutReplies(usize),
    /// The next reply comes twice.
    Duplicate,
    /// The next reply does not come.
    Missing,
    /// The next two replies come in the wrong order.
    Swapped,
    /// The next reply comes with the opaque of a command that does not exist.
    Forged,
    /// An error line that nobody caused comes before the next reply.
    ForgedError,
    /// A line comes that nobody asked for.
    Stray,
    /// The next value is announced with a wrong length.
    WrongLength,
    /// The next line ends without its carriage return.
    BadLineEnd,
    /// Nothing arrives for a time, in either direction.
    Delay(u64),
    /// For a time replies come in pieces of a few bytes.
    Trickle(u64),
    /// The server neither reads nor answers for a time; its connections stay.
    Freeze(u64),
    /// One connection is neither read nor answered any more.
    FreezeOne(u64),
    /// The buffers of a connection shrink to a few bytes for a time.
    SmallBuffers(u64),
    /// The server is killed and comes back empty after so long.
    Restart(u64),
    /// The next dial is refused.
    RefuseDial,
    /// The next dial gets no answer.
    IgnoreDial,
    /// The next connection is taken and never served.
    AcceptSilent,
    /// The next connection is told that there is no room, and ended.
    Banner,
    /// The client's program is stopped for a time, while the world goes on.
    Suspend(u64),
    /// The task that serves a link is gone without a word.
    DriverGone,
    /// For a time the server answers everything with a fault of its own, and does nothing.
    NoBackend(u64),
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 25;

impl Fault {
    /// A number for each kind, to count by.
    pub(crate) fn kind(self) -> usize {
        match self {
            Fault::Reset => 0,
            Fault::Finish => 1,
            Fault::CutCommands(_) => 2,
            Fault::CutReplies(_) => 3,
            Fault::Duplicate => 4,
            Fault::Missing => 5,
            Fault::Swapped => 6,
            Fault::Forged => 7,
            Fault::ForgedError => 8,
            Fault::Stray => 9,
            Fault::WrongLength => 10,
            Fault::BadLineEnd => 11,
            Fault::Delay(_) => 12,
            Fault::Trickle(_) => 13,
            Fault::Freeze(_) => 14,
            Fault::FreezeOne(_) => 15,
            Fault::SmallBuffers(_) => 16,
            Fault::Restart(_) => 17,
            Fault::RefuseDial => 18,
            Fault::IgnoreDial => 19,
            Fault::AcceptSilent => 20,
            Fault::Banner => 21,
            Fault::Suspend(_) => 22,
            Fault::DriverGone => 23,
            Fault::NoBackend(_) => 24,
        }
    }

    /// Whether it is about the next reply of a connection.
    pub(crate) fn is_of_reply(self) -> bool {
        matches!(
            self,
            Fault::Duplicate
                | Fault::Missing
                | Fault::Swapped
                | Fault::Forged
                | Fault::ForgedError
                | Fault::WrongLength
                | Fault::BadLineEnd
        )
    }
}

/// The names of the kinds, for tables.
pub(crate) const NAMES: [&str; KINDS] = [
    "reset",
    "end of stream",
    "cut in commands",
    "cut in replies",
    "duplicate reply",
    "missing reply",
    "swapped replies",
    "forged reply",
    "forged error line",
    "unsolicited line",
    "wrong length",
    "wrong line end",
    "delay",
    "trickle",
    "frozen server",
    "frozen connection",
    "full buffers",
    "restart",
    "refused dial",
    "unanswered dial",
    "silent accept",
    "no room",
    "clock jump",
    "driver gone",
    "no backend",
];

/// How often each kind was injected: when it took effect, not when it was planned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Injected([u64; KINDS]);

impl Injected {
    pub(crate) fn note(&mut self, fault: Fault) {
        self.0[fault.kind()] += 1;
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The least frequent kind.
    #[must_use]
    pub fn least(&self) -> u64 {
        self.0.iter().copied().min().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Injected) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = NAMES.iter().zip(self.0).map(|(name, n)| format!("{name} {n}")).collect();
        f.write_str(&kinds.join(" · "))
    }
}
