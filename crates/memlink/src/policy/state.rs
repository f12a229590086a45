use memlink_core::Phase;

/// How the way to a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// There is no connection, because nobody has needed one so far or because the last one was closed while nobody did.
    Idle,
    /// Being dialled; commands wait.
    Dialling,
    /// Commands are sent.
    Open,
    /// Known to be unreachable, and dialled again and again; or suspended, because it says nothing or nothing but faults. Commands are
    /// refused at once.
    Down,
    /// Closed for good.
    Closed,
}

impl LinkState {
    /// As a connection stands in this phase; `None` when it is being closed.
    pub(crate) fn of(phase: &Phase) -> Option<LinkState> {
        match phase {
            Phase::Idle => Some(LinkState::Idle),
            Phase::Dialling | Phase::Opening => Some(LinkState::Dialling),
            Phase::Open => Some(LinkState::Open),
            Phase::Suspended(_) | Phase::Down(_) | Phase::Reopening(_) => Some(LinkState::Down),
            Phase::Draining | Phase::Shutdown => None,
        }
    }
}
