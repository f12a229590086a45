//! memcached's meta protocol as values: bytes in, values out, nothing kept.
//!
//! ```text
//!  Get, Set, ...  --prepare, check, encode-->  bytes  -->  server
//!                                                            |
//!  Got, Stored, Fault  <--decode--  one reply  <--frame--  bytes
//! ```
//!
//! * [`Key`] and [`Ttl`] hold what can be sent and nothing else.
//! * [`Get`], [`Set`], [`Delete`], [`Arithmetic`] and the others are commands: plain values, built by methods, neutral
//!   without them. What all have in common is [`Verb`].
//! * [`Meta`] is the protocol: how a connection opens, where a reply ends, what breaks a stream.
//! * [`Fault`] is an error that the server reported; [`Invalid`] one that was found before anything was sent.
//!
//! ```
//! use memlink_core::{Command, Frame, Reply, encode_to_vec};
//! use memlink_meta::{Get, Key, Peer, Verb, Version};
//!
//! let mut get = Get::new(Key::new("user:1")?).with_cas();
//! get.prepare(|| 1_800_000_000)?;
//!
//! let server = Peer::new(Version::new(1, 6, 45));
//! let bytes = encode_to_vec(|out| drop(get.encode(&server, 0, out)));
//! assert_eq!(bytes, b"mg user:1 OAAAA c v\r\n");
//!
//! let reply = Reply::One(Frame::copy_from(b"VA 3 OAAAA c7\r\nada"));
//! let hit = get.decode(reply).expect("well formed")?.expect("a hit");
//! assert_eq!(hit.value.as_deref(), Some(&b"ada"[..]));
//! assert_eq!(hit.cas, Some(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What is sent when?** Nothing here sends. A command is checked without a server ([`Verb::prepare`]), then against
//! what is known of one ([`Command::check`](memlink_core::Command::check)), and only then written, whole.
//!
//! **What order do flags have?** One, whatever the order of the builder's methods: see [`flags`].
//!
//! **What happens on failure?** A reply that is not exactly what the command can get breaks the connection: see
//! [`Meta`]. An error line is a [`Fault`] in the command's output.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod base64;
mod command;
mod error;
mod expect;
pub mod flags;
mod key;
mod number;
mod opaque;
mod opening;
mod protocol;
mod reply;
#[cfg(test)]
mod testing;
mod ttl;
mod version;

pub use command::{
    Arithmetic, AskVersion, Counted, CountedOutcome, Debug, Delete, DeleteOutcome, FlushAll, Found, Get, Got, ItemInfo,
    MultiGet, Noop, Set, SetMode, SetOutcome, Statistics, Stats, StatsKind, Stored, TtlLeft, Verb, Verbosity,
};
pub use error::{Fault, FaultClass, FaultKind, Invalid};
pub use expect::Expect;
pub use key::{Key, KeyError};
pub use number::counter_value;
pub use opening::Credentials;
pub use protocol::{Meta, State};
pub use ttl::{Ttl, TtlError};
pub use version::{Feature, Peer, Version};
