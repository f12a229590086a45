//! The schemes of other clients, by name and bit for bit: the same server for the same key as in a fleet's PHP, Python, Ruby,
//! Java, Go, Perl, or behind its proxies.
//!
//! ```
//! use memlink_ring::schemes::{Scheme, Server};
//!
//! let servers = ["cache-1:11211:1", "cache-2:11211:1", "cache-3:11211:2"].map(Server::parse);
//! let servers = servers.into_iter().collect::<Result<Vec<_>, _>>()?;
//!
//! // What PHP does with `OPT_LIBKETAMA_COMPATIBLE`.
//! let ring = Scheme::ketama().ring(&servers)?;
//! let server = ring.route(b"user:1"); // an index into the list above
//! assert!(server < 3);
//!
//! // The same by name, for a configuration.
//! let named = "ketama".parse::<Scheme>()?.ring(&servers)?;
//! assert_eq!(named.route(b"user:1"), server);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How sure is it
//!
//! Every scheme is held against answers that the original program gave: 400 keys on three lists of servers, with bytes that are
//! no text, with tags and with keys of full length. The documentation of each names its *golden file*, in
//! `tests/golden`. Where an original is broken it is broken here in the same way, and its documentation says so. What the vectors do
//! not reach was read in the originals' sources and is said to be so, or is refused: server names that are no host and port,
//! weights where there are none.
//!
//! # What to give
//!
//! The *text* of host names and the *order* of the list count in many schemes. Take both from the configuration of the other
//! client, letter by letter. Then ask both for some keys: `cargo run --example where` prints memlink's answers.
//!
//! A key is given as the other client's user knows it. If the client puts a prefix before it, say whether that is hashed:
//! [`Scheme::prefix_hashed`] or [`Scheme::prefix_skipped`]. If only a part of the key is to decide, such as a tag in braces, say
//! by whose rule: [`Scheme::hashed_part`].
//!
//! None of this is memlink's own default, which is [`Ring`](crate::Ring): it spreads keys better and moves fewer.

mod dalli;
mod emcache;
mod error;
mod evcache;
mod folsom;
mod ketama;
mod key;
mod kind;
mod libmemcached;
mod mcrouter;
mod memcached_proxy;
mod names;
mod php_memcache;
mod points;
mod pymemcache;
mod remainders;
mod ring;
mod rust_memcache;
mod scheme;
mod server;
mod spymemcached;
mod twemproxy;
mod uhashring;

pub use error::{SchemeError, ServerError, UnknownScheme};
pub use key::KeyPart;
pub use memcached_proxy::{ProxyHash, ProxyRing};
pub use ring::SchemeRing;
pub use scheme::Scheme;
pub use server::Server;
pub use spymemcached::{SpyFormat, SpyHash};

pub use crate::hash::Hash;
use kind::{Kind, Weights};
