//! Which server holds a key: routing as a pure function of server names and integer weights.
//!
//! ```
//! use memlink_ring::Ring;
//!
//! let ring = Ring::new([("cache-1", 1), ("cache-2", 1), ("cache-3", 2)])?;
//! let server = ring.route(b"user:1"); // an index into the list above
//! assert!(server < 3);
//! # Ok::<(), memlink_ring::RingError>(())
//! ```
//!
//! # What decides
//!
//! Only the *set* of `(name, weight)` pairs and the bytes of the key. Not the order of the list, not addresses, not
//! which servers were there before, not the platform, the compiler or the release: everything is integer arithmetic,
//! written out in `docs/routing.md` so that another language can repeat it, and frozen by golden values.
//!
//! # How
//!
//! The hash of a key names one of 262,144 slots, and a table names the server of each slot. The table is filled once,
//! when the [`Ring`] is made: every server draws an endless line of random slots from its own name and claims them one
//! after another, a server of weight 2 twice as fast as one of weight 1. **The earliest claim keeps the slot.**
//!
//! ```text
//!  time        0          1          2          3          4
//!  cache-1 x1  |-----6----|-----1----|-----0----|-----6----|     one claim per unit of time
//!  cache-2 x1  |--3-------|--1-------|--4-------|--2-------|     the same, from another starting phase
//!  cache-3 x2  |---7----5-|---3----2-|---0----4-|---1----0-|     two claims per unit of time
//!
//!  slot           0    1    2    3    4    5    6    7
//!              +----+----+----+----+----+----+----+----+
//!  server      |  3 |  2 |  3 |  2 |  2 |  3 |  1 |  3 |         filled: later claims change nothing
//!              +----+----+----+----+----+----+----+----+
//!                           ^
//!  key --XXH3-64--> top bits                                     a lookup: one hash, one load
//! ```
//!
//! When a claim is made depends on nothing but the claiming server. So another server's coming, going or change of
//! weight can only win slots for it or lose slots from it; no slot passes between two servers that stayed as they were.
//!
//! # Cost and limits
//!
//! * A lookup does not depend on the number of servers: one hash and one load, some 15 ns, and at worst a cache miss more.
//! * A [`Ring`] holds 512 KiB (nothing when only one server takes keys). Making one takes about 3.5 million claims, some
//!   12 ms optimised, and 4 MiB for that time, for 2 servers as for 10,000. Share one `Ring`; do not make one per request.
//! * A server's share strays from its weight by about `sqrt(servers / 524,288)`, one standard deviation: 0.4 % with 10
//!   servers, 4.4 % with 1,000, 14 % with 10,000. Past [`Ring::SERVERS_MAX`] a list is refused.
//! * The hash has no secret. Whoever chooses keys can choose them all for one server.
//!
//! # Stability
//!
//! The mapping of [`Ring`] never changes, in any release of this crate; a cache would go cold. A better scheme would be
//! another type in a module of its own. It implements [`Router`], and none is chosen silently.
//!
//! # Beside other clients
//!
//! [`schemes`] has what libmemcached, PHP, Python, Ruby, Java, Go and Perl do, twemproxy, mcrouter and memcached's proxy: bit for
//! bit, by name, held against their own answers. It comes with the feature `schemes`, which is on unless default features are
//! off.

#![cfg_attr(not(feature = "schemes"), allow(rustdoc::broken_intra_doc_links))]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod claim;
mod error;
#[cfg(feature = "schemes")]
mod hash;
mod ring;
mod router;
#[cfg(feature = "schemes")]
pub mod schemes;

pub use error::RingError;
pub use ring::Ring;
pub use router::Router;
