/// Historical bugs of other clients, which a test of the tests switches on to see that it would have found them.
///
/// None is ever on by itself: with the feature `mutants` a connection can be told to have one, without it there is nothing to tell
/// and the question costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "mutants"),
    allow(dead_code, unreachable_pub, reason = "without the feature nobody makes one")
)]
pub enum Mutant {
    /// A caller that leaves takes its entry out of the order, and its reply goes to the next.
    PoppedOnTimeout,
    /// A caller that leaves never gives its place on the wire back.
    PermitLeaked,
    /// A dial that ends after the link was shut down opens it again.
    Resurrected,
    /// A command that the driver has in hands when the connection is lost is told to nobody.
    WaiterDropped,
}

/// Which of them one connection has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mutated {
    #[cfg(feature = "mutants")]
    pub(crate) by: Option<Mutant>,
}

impl Mutated {
    /// Whether it has this one.
    #[cfg(feature = "mutants")]
    #[inline]
    pub(crate) fn has(self, mutant: Mutant) -> bool {
        self.by == Some(mutant)
    }

    /// Whether it has this one: never.
    #[cfg(not(feature = "mutants"))]
    #[inline]
    pub(crate) const fn has(self, _: Mutant) -> bool {
        false
    }
}
