use std::fmt;

use memlink::Limits;
use memlink::generic::{Ask, Command, Encoder, Frame, Malformed, Protocol, Refusal, Reply, Step, Verdict};

use crate::credentials::SignIn;
use crate::opening::Opening;
use crate::read::{Reader, read};
use crate::scan::Scan;
use crate::{Cmd, Fault, FromReply, Value};

/// RESP, as memlink's connections speak it: what a `Redis` is made of.
pub struct Resp {
    pub(crate) version: Version,
    pub(crate) sign_in: SignIn,
    pub(crate) database: u32,
    pub(crate) name: Option<String>,
    pub(crate) on_push: Option<OnPush>,
}

/// Who is told of messages that nobody asked for.
pub(crate) type OnPush = Box<dyn Fn(Value) + Send + Sync>;

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Version {
    /// RESP3, and RESP2 with servers that are too old for it (before Redis 6).
    #[default]
    Newest,
    /// RESP3 and nothing else.
    Resp3,
    /// RESP2: replies are less typed (a map is an array).
    Resp2,
}

/// What a server said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    pub(crate) version: Version,
    pub(crate) server: String,
    pub(crate) server_version: String,
}

impl Peer {
    /// The protocol that this connection speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its product: `redis`, `valkey`. Empty over RESP2.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Its version: `7.0.15`. Empty over RESP2.
    #[must_use]
    pub fn server_version(&self) -> &str {
        &self.server_version
    }
}

/// How many replies a command has: one, and for several commands that are sent as one as many as they are.
#[derive(Debug)]
pub struct Expect {
    replies: u32,
}

impl Expect {
    pub(crate) const ONE: Expect = Expect { replies: 1 };
}

/// What one connection is in the middle of.
#[derive(Debug, Default)]
pub struct State {
    opening: Opening,
    scan: Scan,
}

impl Protocol for Resp {
    type Expect = Expect;
    type State = State;
    type Peer = Peer;

    fn open(
        &self,
        state: &mut State,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        state.opening.step(self, reply, out)
    }

    fn frame(&self, state: &mut State, ask: Option<Ask<'_, Expect>>, input: &[u8], limits: &Limits) -> Verdict {
        if let Some(verdict) = state.opening.banner(ask.is_some(), input, limits) {
            return verdict;
        }
        state.scan.frame(ask.map(|ask| ask.expect.replies), input, limits)
    }

    fn unasked(&self, message: Frame) {
        let Some(on_push) = &self.on_push else { return };
        if let Ok(value) = read(Reply::One(message)) {
            on_push(value);
        }
    }
}

impl fmt::Debug for Resp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resp")
            .field("version", &self.version)
            .field("sign_in", &self.sign_in)
            .field("database", &self.database)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// One command, its reply read as a `T`.
#[derive(Debug)]
pub(crate) struct Query<T> {
    cmd: Cmd,
    reply: std::marker::PhantomData<fn() -> T>,
}

impl<T> Query<T> {
    pub(crate) fn new(cmd: Cmd) -> Query<T> {
        Query { cmd, reply: std::marker::PhantomData }
    }
}

impl<T: FromReply> Command<Resp> for Query<T> {
    type Output = Result<T, Fault>;

    fn size_hint(&self) -> usize {
        self.cmd.len()
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        self.cmd.encode(out);
        Expect::ONE
    }

    fn decode(&self, reply: Reply) -> Result<Result<T, Fault>, Malformed> {
        Ok(match read(reply)? {
            Value::Error(error) => Err(Fault::Server(error)),
            value => T::from_reply(value),
        })
    }
}

/// Several commands as one: nothing comes between them, and they leave in one write.
#[derive(Debug)]
pub struct Together {
    pub(crate) cmds: Vec<Cmd>,
}

impl Command<Resp> for Together {
    /// One for each command.
    type Output = Vec<Value>;

    /// Those in front are whole before the last has come. A transaction is run by its last command alone, but where `MULTI` is refused,
    /// which nobody knows before its reply: then they ran as they came.
    fn may_run_in_part(&self) -> bool {
        true
    }

    fn size_hint(&self) -> usize {
        self.cmds.iter().map(Cmd::len).sum()
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        for cmd in &self.cmds {
            cmd.encode(out);
        }
        // More than memory holds.
        Expect { replies: u32::try_from(self.cmds.len()).unwrap_or(u32::MAX) }
    }

    fn decode(&self, reply: Reply) -> Result<Vec<Value>, Malformed> {
        let mut reader = Reader::new(reply);
        self.cmds.iter().map(|_| reader.value()).collect()
    }
}
