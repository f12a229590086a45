use std::fmt;

use crate::fault::Injected;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its number, as in docs/testing.md.
    pub promise: &'static str,
    /// What has happened.
    pub what: String,
    /// When, in nanoseconds of the simulated clock.
    pub at: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} ns: {}", self.promise, self.at, self.what)
    }
}

impl std::error::Error for Violation {}

/// What has happened in one history, or in many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Histories.
    pub histories: u64,
    /// Events of the simulated clock.
    pub events: u64,
    /// Operations that got a reply.
    pub replied: u64,
    /// Operations that failed and were not sent.
    pub not_sent: u64,
    /// Operations of which nobody knows.
    pub unknown: u64,
    /// Operations whose caller left.
    pub left: u64,
    /// Commands that a server has executed.
    pub executed: u64,
    /// Connections opened.
    pub connections: u64,
    /// Connections that were replaced without anyone noticing.
    pub renewed: u64,
    /// Connections that were suspended because nothing came.
    pub suspended: u64,
    /// Servers that were left alone because nothing but faults came, counted by connection.
    pub left_alone: u64,
    /// Those that were asked again, and were better.
    pub resumed: u64,
    /// Connections that were let go of because nobody needed them.
    pub let_go: u64,
    /// Commands that went again over another link.
    pub moved: u64,
    /// Error lines on a connection whose replies were altered: believed by whoever was at the head, as nothing confirms their place.
    pub errors_believed: u64,
    /// Increments that may have been counted.
    pub increments: u64,
    /// Increments of which nobody knows whether they were counted.
    pub increments_unknown: u64,
    /// Keys whose answers are explained by an order.
    pub keys: u64,
    /// Keys whose search was given up.
    pub undecided: u64,
    /// Nanoseconds of the simulated clock.
    pub simulated: u64,
    /// Faults, by kind.
    pub injected: Injected,
}

impl Report {
    /// Adds another's numbers.
    pub fn add(&mut self, other: &Report) {
        self.histories += other.histories;
        self.events += other.events;
        self.replied += other.replied;
        self.not_sent += other.not_sent;
        self.unknown += other.unknown;
        self.left += other.left;
        self.executed += other.executed;
        self.connections += other.connections;
        self.renewed += other.renewed;
        self.suspended += other.suspended;
        self.left_alone += other.left_alone;
        self.resumed += other.resumed;
        self.let_go += other.let_go;
        self.moved += other.moved;
        self.errors_believed += other.errors_believed;
        self.increments += other.increments;
        self.increments_unknown += other.increments_unknown;
        self.keys += other.keys;
        self.undecided += other.undecided;
        self.simulated += other.simulated;
        self.injected.add(&other.injected);
    }

    /// Operations.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.replied + self.not_sent + self.unknown + self.left
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} histories · {} operations: {} replied, {} not sent, {} unknown, {} left · {} commands executed",
            self.histories,
            self.operations(),
            self.replied,
            self.not_sent,
            self.unknown,
            self.left,
            self.executed,
        )?;
        writeln!(
            f,
            "{} connections, {} renewed, {} suspended, {} left alone, {} better again, {} let go · {} commands over another link · {} increments, {} unknown · {} keys in order, {} undecided · {} error lines believed · {} s simulated",
            self.connections,
            self.renewed,
            self.suspended,
            self.left_alone,
            self.resumed,
            self.let_go,
            self.moved,
            self.increments,
            self.increments_unknown,
            self.keys,
            self.undecided,
            self.errors_believed,
            self.simulated / 1_000_000_000,
        )?;
        write!(f, "{} faults: {}", self.injected.total(), self.injected)
    }
}
