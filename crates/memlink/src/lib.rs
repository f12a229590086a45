//! A memcached client for tokio: all callers share a few pipelined connections.
//!
//! ```
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = memlink_testserver::TestServer::start().await?;
//! # let url = &format!("memcache://{}?timeout_ms=60000", server.address());
//! // let url = "memcache://cache-1,cache-2:11212";
//! let cache = memlink::Client::connect(url).await?;
//!
//! cache.set("user:1", "ada").ttl(Duration::from_secs(60)).await?;
//! let name = cache.get("user:1").await?.expect("it was stored just now");
//! assert_eq!(name, "ada");
//! assert!(cache.get("user:2").await?.is_none(), "a miss is an answer, not an error");
//!
//! let visits = cache.increment("visits").initial(1).await?;
//! assert_eq!(visits, Some(1));
//!
//! for outcome in cache.get_many(["user:1", "user:2"]).await {
//!     println!("{:?}", outcome?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # In which order?
//!
//! Requests to one server over one connection are sent in the order in which they are first polled, and answered in that
//! order; those that wait for a connection or for room are let in one after the other and sent as their tasks run. Requests to different servers, or with [more than one connection](Settings::connections_per_server) to a server, have
//! no order. Await one request before making the next where the order matters: that always holds.
//!
//! # What is sent when?
//!
//! * A [`Request`] is sent when it is awaited; before its first poll nothing happens at all.
//! * Keys, sizes and options are checked before a byte is written. What is wrong is an error of its own request.
//! * A server is dialled when the first request wants it. [`Client::connect`] does it at once, [`Builder::build`] does not.
//! * Commands of all callers that gather while others are written leave together, in one write.
//! * What a server is too old for is refused and not sent: its version was asked when the connection was opened.
//!
//! # What happens on failure?
//!
//! A request ends with its result or with an [`Error`], and at its deadline at the latest. [`Error::outcome`] says whether the
//! command can have been applied:
//!
//! | outcome | means | again? |
//! | --- | --- | --- |
//! | [`NotSent`](Outcome::NotSent) | it never left whole: the server cannot have run it | safe |
//! | [`Unknown`](Outcome::Unknown) | it left and no reply came | only where twice is as good as once |
//! | [`Answered`](Outcome::Answered) | the server refused it | its words say |
//!
//! * memlink itself repeats only what was not sent because a connection was lost, a few times and within the deadline.
//! * A server that is down is an error for its own keys and for no others, at once; no other server answers for it. It is
//!   dialled again for ever.
//! * Any doubt about the order of replies closes the connection: a wrong reply is worse than none.
//! * Dropping a request abandons its command and nothing else. The reply, should one come, is read and thrown away.
//!
//! # Where to look
//!
//! [`Client`] has the verbs, [`Request`] their options, [`ManyStream`] very many keys, [`Builder::url`] the URL, [`Settings`] and
//! [`Limits`] every number that can be set, [`Event`] and [`ClientStats`] what can be observed, [`discovery`] how servers are found.
//! [`generic`] puts another protocol on the same connections.
//!
//! # Features
//!
//! * `schemes`: the hash schemes of other clients, by name and bit for bit, for fleets that share a cache with them: `scheme=` in a
//!   URL, or `Builder::scheme`. Off by default.
//! * `dns-srv`: servers from SRV records (`dnssrv+`), by hickory-resolver. Off by default.
//! * `discovery-file`: servers from a watched file of YAML or JSON (`memcache+file://`), by saphyr-parser. Off by default.
//! * `tls`: connections by TLS (`Tls`, `memcaches://`), with rustls and its provider ring. Off by default.
//! * `tls-own-provider`: the same, and the program brings the provider of cryptography.
//! * `tracing`: events as log lines by way of the crate of that name, at most one a second for each server. Off by default.
#![forbid(unsafe_code)]

mod builder;
mod client;
mod cluster;
mod config;
pub mod discovery;
mod error;
mod event;
mod fan_out;
mod lease;
mod link;
#[cfg(feature = "tracing")]
mod log;
mod policy;
mod pool;
mod probe;
mod request;
#[cfg(all(test, memlink_shuttle))]
mod scheduled;
mod servers;
mod stats;
mod sync;
mod transport;
mod value;
mod verbs;

pub use builder::Builder;
pub use client::Client;
pub use cluster::{Changes, Routing, Topology, TopologyWatch};
pub use config::{ConfigError, Server, Settings, WhenDown};
pub use error::{Error, ErrorKind, Outcome};
pub use event::Event;
pub use fan_out::{
    Batch, BatchCommand, BatchOutcome, BatchStream, DeleteMany, DeleteStream, GetMany, GetStream, Many, ManyStream,
    SetMany, SetStream,
};
pub use link::LinkState;
pub use memlink_core::{Broken, Limits, Stats};
pub use memlink_meta::{
    Counted, CountedOutcome, Credentials, DeleteOutcome, Invalid, ItemInfo, Key, KeyError, SetMode, SetOutcome,
    Statistics, StatsKind, Stored, Ttl, TtlError, TtlLeft, Version,
};
#[cfg(feature = "schemes")]
pub use memlink_ring::schemes;
pub use memlink_ring::{Ring, RingError, Router};
pub use request::{Request, RequestFuture, Source, Sourced, SourcedFuture, SourcedRequest};
#[cfg(feature = "tls-own-provider")]
pub use rustls;
pub use servers::ServerReply;
pub use stats::{ClientStats, ServerStats};
pub use transport::{Address, AddressError, Resolve, ResolveFuture, TcpOptions};
#[cfg(feature = "tls-own-provider")]
pub use transport::{Tls, TlsError, TlsPin, TlsVersion};
pub use value::Value;

/// Any other protocol on the same connections: what a protocol is made of, and what it is put on.
pub mod generic {
    pub use memlink_core::{
        Ask, Command, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Unsupported, Verdict, encode_to_vec,
    };

    pub use crate::cluster::{ByKey, Cluster, Destination, Exchange, ThisServer};
    pub use crate::link::{ConnectFuture, Connector, LinkProtocol};
    pub use crate::transport::Stream;
}

/// How requests read their replies: named by the types of [`Request`], seldom by hand.
pub mod reading {
    pub use crate::request::{AddedOrNot, Deleted, Described, Done, Fetched, Full, Number, Present, Reading};
}

/// What streams do with each of their keys: named by the types of [`ManyStream`], seldom by hand.
pub mod streaming {
    pub use crate::fan_out::{Commands, Deletes, Form, Gets, Sets, Takes};
}

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// So does that in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/own-protocol.md")]
struct OwnProtocol;

/// And in the tutorial of the embedded server.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/misbehaving-cache.md")]
struct MisbehavingCache;
