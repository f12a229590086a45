//! A Redis and Valkey client on memlink's connections: all callers share one pipelined connection to each server.
//!
//! ```no_run
//! # async fn example() -> Result<(), memlink_resp::Error> {
//! use std::time::Duration;
//!
//! use memlink_resp::{Cmd, Redis};
//!
//! let redis = Redis::connect("redis://cache-1").await?;
//! redis.set("user:1", "ada").ttl(Duration::from_secs(60)).await?;
//! assert_eq!(redis.get("user:1").await?.as_deref(), Some(&b"ada"[..]));
//! let members: Vec<String> = redis.query(Cmd::new("SMEMBERS").key("team")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! RESP3, and RESP2 with servers before Redis 6. The crate uses nothing of memlink but its public names: it is what somebody else
//! could have written, and shows what [`memlink::generic`] is for.
//!
//! # In which order? What is sent when? What happens on failure?
//!
//! As in [`memlink`]: a [`Request`] is sent when it is first polled; requests to one server leave in the order of their first polls;
//! one that is dropped abandons its command and nothing else; every [`Error`] says by its [`outcome`](Error::outcome) whether the
//! command can have been applied; what was not sent because a connection was lost is sent again, a few times and within the deadline, and
//! nothing else ever is. An error of the server ([`ServerError`]) is a reply like any other and never closes the connection.
//!
//! RESP repeats nothing of the command in its reply, so the order of replies is all there is to match them by. Whatever puts that order in
//! doubt closes the connection: bytes that nobody asked for, a length that is none, a type that does not exist.
//!
//! # What does a shared connection not carry?
//!
//! Commands that would change it for everybody are refused before a byte is sent ([`Error::NotShared`]):
//!
//! | command | why | instead |
//! | --- | --- | --- |
//! | `SUBSCRIBE` and its kin, `MONITOR`, `SYNC` | the connection becomes a stream of messages | a connection of your own |
//! | `CLIENT REPLY` | replies would be missing, and the order lost | dropping the request |
//! | `BLPOP` and its kin, `XREAD BLOCK`, `WAIT` | everybody behind it would wait | asking again |
//! | `MULTI`, `EXEC`, `DISCARD` | commands of others would come in between | [`Redis::transaction`], which is sent as one |
//! | `WATCH` | it would watch for everybody | a script |
//! | `SELECT`, `AUTH`, `HELLO`, `RESET`, `CLIENT TRACKING`, `CLIENT SETNAME` | for everybody, and lost with the connection | [`Builder`] |
//!
//! A push message that comes all the same is told apart from replies and given to [`Builder::on_push`].
//!
//! # Many servers
//!
//! Servers are independent: keys are divided among them by memlink's [ring](memlink::Ring). Commands with keys of several servers are divided
//! by [`Redis::mget`], [`Redis::del_many`] and [`Redis::pipeline`]. A Redis *cluster* is another thing: its redirections are not followed
//! ([`ServerErrorKind::Cluster`]).
//!
//! # TLS
//!
//! With the feature `tls`: `rediss://`, or `Builder::tls`. What is checked and what each error means is as in memlink, and so is how
//! certificates change: files are looked at whenever a server is dialled and when `Redis::tls` is told to reload them, and
//! [`Redis::renew`] moves connections that are open to what they hold. `tls-own-provider` is the same without a provider of cryptography: the program brings one. Nothing falls back to plain text.
//!
//! # Limits
//!
//! Those of [`memlink::Limits`]; a value may have 8 MiB unless told otherwise. Values in each other may be 32 deep. A reply
//! of very many tiny values may take up to twenty times its bytes once it is read. RESP3's streamed
//! strings and lists of unknown length, which no server sends, are not of this protocol here.
#![forbid(unsafe_code)]

mod builder;
mod cmd;
mod credentials;
#[doc(hidden)]
pub mod engine;
mod error;
mod from_reply;
mod line;
mod opening;
mod protocol;
mod read;
mod redis;
mod request;
mod scan;
mod set;
mod shared;
mod together;
mod url;
mod value;
mod verbs;

pub use builder::Builder;
pub use cmd::{Arg, Args, Cmd};
pub use credentials::Credentials;
pub use error::{Error, Fault, ServerError, ServerErrorKind};
pub use from_reply::FromReply;
pub use protocol::{Peer, Version};
pub use redis::Redis;
pub use request::Request;
pub use set::{Set, SetFuture};
pub use together::{ManyFuture, Pipeline, Transaction};
pub use value::Value;
