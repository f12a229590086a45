use crate::Ring;

/// Why no [`Ring`] can be made of a list of servers.
///
/// Servers are told by their place in the list, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The list is empty.
    #[error("the list of servers is empty")]
    NoServers,

    /// Every server has weight 0, so there is none to take a key.
    #[error("every server has weight 0")]
    NoWeight,

    /// The list is longer than [`Ring::SERVERS_MAX`].
    #[error("more than {} servers", Ring::SERVERS_MAX)]
    TooManyServers,

    /// Two servers have the same name. A name is a server's identity: one of the two would never get a key.
    #[error("servers {first} and {second} of the list have the same name")]
    DuplicateName {
        /// Where the name stands first.
        first: usize,
        /// Where it stands again.
        second: usize,
    },
}
