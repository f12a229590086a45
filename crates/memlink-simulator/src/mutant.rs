use std::fmt;

/// Twelve bugs that clients like this one have had. A simulator that does not find them proves nothing when it finds nothing.
///
/// Each is a switch: in the simulated driver or caller where the bug was one of those, in the engine (its feature `mutants`) where it
/// was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A caller that leaves takes its entry out of the order; its reply goes to the next.
    PoppedOnTimeout,
    /// Bytes that nobody asked for are thrown away, and the connection goes on.
    StrayIgnored,
    /// What a short write left over is taken for written.
    PartialWriteForgotten,
    /// The order of the old connection is kept over a reconnect.
    PendingKept,
    /// An increment whose reply was lost is sent again.
    LostIncrementRepeated,
    /// The wait for a reply begins anew with every write.
    SilenceRenewedByWrites,
    /// A value that the end of the stream cut short is taken for whole.
    TruncatedAccepted,
    /// An error takes the reply of the next command with it.
    ErrorDrainsTwo,
    /// Nothing is read while a write is pending.
    NoReadWhileWriting,
    /// A caller that leaves never gives its place on the wire back.
    PermitLeaked,
    /// A dial that ends after the link was closed opens it again.
    Resurrected,
    /// A command between two queues is told to nobody when the connection is lost.
    WaiterDropped,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 12] = [
        Mutant::PoppedOnTimeout,
        Mutant::StrayIgnored,
        Mutant::PartialWriteForgotten,
        Mutant::PendingKept,
        Mutant::LostIncrementRepeated,
        Mutant::SilenceRenewedByWrites,
        Mutant::TruncatedAccepted,
        Mutant::ErrorDrainsTwo,
        Mutant::NoReadWhileWriting,
        Mutant::PermitLeaked,
        Mutant::Resurrected,
        Mutant::WaiterDropped,
    ];

    /// The switch in the engine, for those that are there.
    pub(crate) fn of_engine(self) -> Option<memlink_core::Mutant> {
        match self {
            Mutant::PoppedOnTimeout => Some(memlink_core::Mutant::PoppedOnTimeout),
            Mutant::PermitLeaked => Some(memlink_core::Mutant::PermitLeaked),
            Mutant::Resurrected => Some(memlink_core::Mutant::Resurrected),
            Mutant::WaiterDropped => Some(memlink_core::Mutant::WaiterDropped),
            Mutant::StrayIgnored
            | Mutant::PartialWriteForgotten
            | Mutant::PendingKept
            | Mutant::LostIncrementRepeated
            | Mutant::SilenceRenewedByWrites
            | Mutant::TruncatedAccepted
            | Mutant::ErrorDrainsTwo
            | Mutant::NoReadWhileWriting => None,
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mutant::PoppedOnTimeout => "waiter popped on timeout",
            Mutant::StrayIgnored => "no close on unsolicited bytes",
            Mutant::PartialWriteForgotten => "partial write forgotten",
            Mutant::PendingKept => "in-flight queue kept over reconnect",
            Mutant::LostIncrementRepeated => "retry of a lost increment",
            Mutant::SilenceRenewedByWrites => "read deadline renewed by writes",
            Mutant::TruncatedAccepted => "truncated value accepted",
            Mutant::ErrorDrainsTwo => "pipeline error drains the wrong count",
            Mutant::NoReadWhileWriting => "no read while write pending",
            Mutant::PermitLeaked => "permit leaked on cancel",
            Mutant::Resurrected => "resurrected after close",
            Mutant::WaiterDropped => "waiter dropped between two queues",
        })
    }
}
