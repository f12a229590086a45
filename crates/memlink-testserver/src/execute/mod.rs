//! What commands do: a command and the cache in, reply bytes out.
//!
//! One file per command or family. Nothing here reads from a socket; a command
//! that needs a value only says so, and is finished when the session has it.

mod admin;
mod auth;
mod counter;
mod delete;
mod flush;
mod get;
mod meta_arithmetic;
mod meta_debug;
mod meta_delete;
mod meta_get;
mod meta_set;
mod reply;
mod stats;
mod storage;
mod touch;

pub(crate) use auth::{AuthLine, auth_bytes_min, check_auth, read_auth_line};
pub(crate) use get::GetProgress;
pub(crate) use storage::Pending;

use crate::cache::Cache;
use crate::parse::{Request, Verb};
use crate::store::Held;
use crate::store::time::Moment;
use bytes::BytesMut;
use reply::Reply;

/// What a command works with.
pub(crate) struct Context<'a> {
    pub(crate) cache: &'a mut Cache,
    pub(crate) moment: Moment,
    pub(crate) session: u64,
    /// The replies that wait to be written.
    pub(crate) replies: &'a mut BytesMut,
    /// The items those replies refer to.
    pub(crate) held: &'a mut Vec<Held>,
    /// A CAS id that a `ms` with a bad data chunk left behind; see
    /// [`storage::Pending::finish`].
    pub(crate) left_cas: &'a mut u64,
}

/// What follows from a command's line.
pub(crate) enum Then {
    /// The command is done.
    Done,
    /// Done, and all replies so far are to be written now.
    Flush,
    /// A value of so many bytes belongs to it.
    Value(Pending),
    /// It failed, and its value of so many bytes is to be thrown away.
    Swallow(usize),
    /// It is a `get` with keys left to look up.
    Get(GetProgress),
    /// The connection ends, after its replies.
    Quit,
    /// The connection ends at once, and the server with it.
    Shutdown { graceful: bool },
}

/// Executes one request, or begins to.
pub(crate) fn execute(context: &mut Context<'_>, request: &Request<'_>) -> Then {
    match request.verb {
        Verb::MetaSet => return meta_set::start(context, request),
        Verb::Set | Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend | Verb::Cas => {
            return storage::start(context, request);
        }
        _ => {}
    }
    context.cache.note_executed(context.session, request.body);
    match request.verb {
        Verb::MetaGet => meta_get::execute(context, request),
        Verb::MetaDelete => meta_delete::execute(context, request),
        Verb::MetaArithmetic => meta_arithmetic::execute(context, request),
        Verb::MetaDebug => meta_debug::execute(context, request),
        Verb::MetaNoop => {
            context.replies.extend_from_slice(b"MN\r\n");
            return Then::Flush;
        }
        Verb::Get | Verb::Gets | Verb::GetAndTouch | Verb::GetsAndTouch => {
            return get::start(context, request);
        }
        Verb::Touch => touch::execute(context, request),
        Verb::Increment | Verb::Decrement => counter::execute(context, request),
        Verb::Delete => delete::execute(context, request),
        Verb::FlushAll => flush::execute(context, request),
        Verb::Stats => stats::execute(context, request),
        Verb::Quit => return Then::Quit,
        Verb::Shutdown => return admin::shutdown(context, request),
        _ => admin::execute(context, request),
    }
    Then::Done
}

/// Passes over one request as if it had never come, its value included.
pub(crate) fn skip(request: &Request<'_>) -> Then {
    if request.verb.has_value() { Then::Swallow(request.value_len.saturating_add(2)) } else { Then::Done }
}

impl Context<'_> {
    /// The one-line reply of a classic command, which `noreply` silences.
    fn classic<'a>(&'a mut self, request: &Request<'_>) -> Reply<'a> {
        Reply::new(self.replies, request.noreply)
    }

    /// The one-line reply of a meta command.
    fn line(&mut self, text: &str) {
        Reply::new(self.replies, false).line(text);
    }

    /// A reply under way refers to this item until it is written.
    fn hold(&mut self, key: &[u8]) {
        self.held.extend(self.cache.store.hold(key));
    }

    /// Whether the newer of the two versions is spoken.
    fn is_modern(&self) -> bool {
        self.cache.settings.version.is_modern()
    }
}
