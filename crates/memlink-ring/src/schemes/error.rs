use super::SchemeRing;

/// Why a scheme makes no ring of a list of servers.
///
/// Servers are told by their place in the list, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The list is empty.
    #[error("the list of servers is empty")]
    NoServers,

    /// The list is longer than [`SchemeRing::SERVERS_MAX`].
    #[error("more than {} servers", SchemeRing::SERVERS_MAX)]
    TooManyServers,

    /// The scheme repeats servers or points by weight, and the weights ask for more than [`SchemeRing::POINTS_MAX`] of
    /// them. Weights count as ratios in most schemes: divide them all by the same number.
    #[error("the weights ask for more than {} points", SchemeRing::POINTS_MAX)]
    TooManyPoints,

    /// Every server has weight 0, or shares are so small that no server gets a point.
    #[error("no server has a weight that counts")]
    NoWeight,

    /// The scheme has no weights, and this server has another than 1. Some originals take such a weight and ignore it, so a
    /// fleet that "uses" weights may not; give every server the weight 1 to do as they do.
    #[error("server {server} of the list has a weight, and the scheme has none")]
    WeightUnsupported {
        /// Where it stands.
        server: usize,
    },

    /// This server has weight 0, which the original refuses or reads as 1. Leave the server out, or say 1.
    #[error("server {server} of the list has weight 0")]
    ZeroWeight {
        /// Where it stands.
        server: usize,
    },

    /// This server has a greater weight than the scheme takes: mcrouter's are fractions of 1.
    #[error("server {server} of the list has too great a weight")]
    WeightTooLarge {
        /// Where it stands.
        server: usize,
    },

    /// Two servers have the same host and port, or the same alias where the scheme uses aliases. A client that lists an address
    /// several times for more keys says so by a weight here.
    #[error("servers {first} and {second} of the list are the same")]
    DuplicateServer {
        /// Where it stands first.
        first: usize,
        /// Where it stands again.
        second: usize,
    },

    /// The scheme hashes the host with its IP address, as a Java client resolves it, and this server's host is a name
    /// without one. See [`Server::address`](super::Server::address).
    #[error("server {server} of the list needs its IP address")]
    NoAddress {
        /// Where it stands.
        server: usize,
    },

    /// The scheme has no such option.
    #[error("the scheme has no option `{option}`")]
    OptionUnsupported {
        /// The option's method on [`Scheme`](super::Scheme).
        option: &'static str,
    },
}

/// No scheme has that name. [`Scheme::names`](super::Scheme::names) lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no scheme has that name")]
pub struct UnknownScheme;

/// Why a text is no [`Server`](super::Server).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// There is no host, or it holds a character that no host has: white space, a control character, a slash, or a colon
    /// outside of an IPv6 address. Paths of Unix sockets are refused with it: what the originals hash for those is not
    /// known.
    #[error("the host is empty or holds a character that no host has")]
    Host,

    /// The port is no number from 0 to 65535.
    #[error("the port is no number from 0 to 65535")]
    Port,

    /// The weight is no number from 0 to 4294967295.
    #[error("the weight is no number from 0 to 4294967295")]
    Weight,

    /// What follows the slash is no IP address.
    #[error("what follows the slash is no IP address")]
    Address,
}
