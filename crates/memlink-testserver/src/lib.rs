//! An embedded memcached for tests and demos, which shares no code with
//! memlink's client: where both agree, two independent readings of the protocol
//! do.
//!
//! * [`TestServer`] runs in a thread of its own and listens on loopback. It can
//!   be killed and revived on the same port, its [`Clock`] can be moved, and it
//!   can record what it executed.
//! * [`Fault`]s make it misbehave: late, garbled, missing or strange replies,
//!   connections that are refused, cut or frozen, by rule or by chance, and
//!   counted. The repository's `docs/misbehaving-cache.md` shows how to test your
//!   own code with them.
//! * [`Session`] is one conversation without a socket, over a [`Cache`] that
//!   any number of sessions share; it is stepped by hand, with the time passed in.
//! * The binary of the same name takes memcached's own options.
//!
//! It answers as memcached 1.6.45 does, or on request as Debian's 1.6.18; see
//! [`Version`].
//!
//! # The rooms
//!
//! ```text
//! parse    bytes -> request          two parsers, one result; no item, no clock
//! store    items, CAS ids, times     the present moment is an argument
//! execute  request x cache -> reply  one file per command
//! session  when replies are written  no socket
//! faults   what goes wrong           decided per command, done at a byte
//! connection, life, server           sockets and the thread
//! ```
//!
//! # Where it differs from memcached, and why
//!
//! Quirks that a client could be led astray by are followed; these are not:
//!
//! 1. `me <base64> b` finds the key. In 1.6.40 to 1.6.45 the `b` is read only if
//!    another word follows.
//! 2. `get` and its kin answer a key that is too long with the error line alone.
//!    memcached sends an empty line after it, and with it throws away the replies
//!    of all commands before it that were not written yet.
//! 3. A `get` whose answer is larger than 1 MiB is written in parts, and its line
//!    may not be longer than 8 MiB.
//! 4. Eviction goes by the order of use over all items, not by slab class, and
//!    memory is counted in bytes of items, not in pages.
//! 5. The time of last use moves with every fetch from the second on; memcached
//!    moves it depending on where its background thread has put the item.
//! 6. A value of white space alone is no number; memcached reads on into the
//!    memory behind it. There, too, 1.6.18 looks for a minus sign before it takes
//!    a counter of 2^63 or more; here such a counter counts.
//! 7. `flush_all` takes every item stored before it; memcached can miss one that
//!    was fetched in the same second.
//! 8. `watch` is refused as with `-W`. `lru_crawler`, `lru` and `slabs automove`
//!    answer and do nothing; `metadump` and `mgdump` do not exist. `stats` shows
//!    the common names; `stats conns` only the asking connection.
//! 9. There is no binary protocol, no UDP, no proxy, no extstore.
//! 10. memcached's background thread holds on to an item for a moment now and
//!     then, and a counter that is held is not changed in place. Here only replies
//!     that were not written yet hold items.
//! 11. A CAS id that a `ms` with a badly framed value leaves behind is used by the
//!     next command with a value on the same connection; in memcached it can be
//!     one on a later connection.
//! 12. Before authentication, 1.6.18 set no bound to a payload; here 1.6.45's
//!     applies to both.

#![forbid(unsafe_code)]

mod builder;
mod cache;
mod clock;
mod connection;
mod execute;
mod faults;
mod life;
mod limits;
mod listen;
mod parse;
mod presence;
mod server;
mod session;
mod settings;
mod store;
#[cfg(feature = "tls")]
mod tls;
mod version;

pub use builder::ServerBuilder;
pub use cache::{Cache, Executed};
pub use clock::Clock;
pub use faults::{Fault, FaultHandle, Faults};
pub use server::{ServerStats, TestServer};
pub use session::{Session, Step};
pub use settings::{Settings, User};
#[cfg(feature = "tls")]
pub use tls::TlsSettings;
pub use version::Version;
