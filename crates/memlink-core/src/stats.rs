/// What a connection has done since it was made, counted where it happens. All numbers only grow, except the three that
/// say how things stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commands submitted.
    pub started: u64,
    /// Commands that got their reply.
    pub replied: u64,
    /// Commands that ended with a failure.
    pub failed: u64,
    /// Commands whose caller left before the end.
    pub cancelled: u64,
    /// Commands taken back before their first byte was taken for writing.
    pub cut: u64,
    /// Commands whose caller left when they had been taken for writing, or whose deadline passed when some of them had been written: their
    /// replies are still to come.
    pub abandoned: u64,
    /// Commands that had to wait for room or for a connection.
    pub waited: u64,
    /// Commands refused because the queue was full.
    pub queue_full: u64,
    /// Commands whose deadline passed, or that stood in line until it was too near for a reply.
    pub expired: u64,
    /// Replies and unasked messages dropped because too many were not fetched.
    pub unclaimed_dropped: u64,
    /// Messages that nobody asked for and that the protocol allows.
    pub unasked: u64,
    /// Connections opened: the socket was there.
    pub opened: u64,
    /// Connections lost or closed.
    pub closed: u64,
    /// How things stand: commands on the wire or queued for it, abandoned ones included.
    pub in_flight: usize,
    /// How things stand: commands in line.
    pub waiting: usize,
    /// How things stand: abandoned commands whose reply has not come, and those about to be taken back.
    pub abandoned_now: usize,
}
