//! A memcached client for tokio: all callers share a few pipelined connections.
#![forbid(unsafe_code)]

mod builder;
mod client;
mod cluster;
mod config;
mod error;
mod event;
mod fan_out;
mod lease;
mod link;
#[cfg(feature = "tracing")]
mod log;
mod pool;
mod request;
mod retry;
mod servers;
mod stats;
mod transport;
mod value;

pub use builder::Builder;
pub use client::Client;
pub use config::{ConfigError, Server, Settings};
pub use error::{Error, ErrorKind, Outcome};
pub use event::Event;
pub use fan_out::{Batch, BatchOutcome, DeleteMany, GetMany, Many, SetMany};
pub use link::LinkState;
pub use memlink_core::{Broken, Limits, Stats};
pub use memlink_meta::{
    Counted, CountedOutcome, Credentials, DeleteOutcome, Invalid, ItemInfo, Key, KeyError, SetMode, SetOutcome,
    Statistics, StatsKind, Stored, Ttl, TtlError, TtlLeft, Version,
};
pub use memlink_ring::{Ring, RingError, Router};
pub use request::{Request, RequestFuture};
pub use servers::ServerReply;
pub use stats::{ClientStats, ServerStats};
pub use transport::{Address, AddressError, TcpOptions};
pub use value::Value;

/// Any other protocol on the same connections: what a protocol is made of, and what it is put on.
pub mod generic {
    pub use memlink_core::{
        Ask, Command, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Unsupported, Verdict,
    };

    pub use crate::cluster::{Cluster, Exchange};
    pub use crate::link::{ConnectFuture, Connector, LinkProtocol};
    pub use crate::transport::Stream;
}

/// How requests read their replies: named by the types of [`Request`], seldom by hand.
pub mod reading {
    pub use crate::request::{AddedOrNot, Deleted, Described, Done, Fetched, Full, Number, Present, Reading};
}
