//! The exchange before the first command.
//!
//! ```text
//!   HELLO 3 [AUTH user password] [SETNAME name]  --a map-->  [SELECT n]  -->  PING  --any reply but LOADING, NOAUTH-->  ready
//!      '--unknown, NOPROTO: RESP2--> [AUTH] --> [CLIENT SETNAME] -------^
//! ```
//!
//! One command at a time: a connection is dialled seldom, and each answer says on its own what is wrong. The `PING` is there because
//! a server that loads its data answers all before it as if it were ready.

use memlink::generic::{Encoder, Frame, Refusal, Reply, Step};

use crate::protocol::{Expect, Peer, Resp, Version};
use crate::read::read;
use crate::{Cmd, ServerError, Value};

/// What was sent last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Begin,
    Hello,
    Auth,
    Name,
    Select,
    Ping,
}

/// How far the exchange is, and what it has learned.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    stage: Stage,
    peer: Peer,
}

impl Opening {
    pub(crate) fn step(
        &mut self,
        resp: &Resp,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        let value = match reply {
            None => None,
            Some(frame) => Some(read(Reply::One(frame.clone())).map_err(|malformed| foreign(malformed.what))?),
        };
        let next = match (self.stage, value) {
            (Stage::Begin, _) if resp.version == Version::Resp2 => self.after_hello(resp),
            (Stage::Begin, _) => Stage::Hello,
            (Stage::Hello, Some(Value::Error(error))) => {
                let is_old = error.code() == "NOPROTO" || error.text().starts_with("ERR unknown command");
                match resp.version {
                    Version::Newest if is_old => self.after_hello(resp),
                    _ if is_old => {
                        return Err(Refusal::Incompatible(format!("RESP3 is wanted and the server says: {error}")));
                    }
                    _ => return Err(refused(&error)),
                }
            }
            (Stage::Hello, value) => {
                self.peer = greeted(value.unwrap_or(Value::Null))?;
                after_sign_in(resp)
            }
            (Stage::Ping, Some(Value::Error(error))) if !matches!(error.code(), "LOADING" | "NOAUTH" | "DENIED") => {
                // A user who may not ping may do other things, and a server that is busy is there.
                return Ok(Step::Ready(self.peer.clone()));
            }
            (_, Some(Value::Error(error))) => return Err(refused(&error)),
            (Stage::Auth, _) => after_auth(resp),
            (Stage::Name, _) => after_sign_in(resp),
            (Stage::Select, _) => Stage::Ping,
            (Stage::Ping, _) => return Ok(Step::Ready(self.peer.clone())),
        };
        self.stage = next;
        command(next, resp).encode(out);
        Ok(Step::Send(vec![Expect::ONE]))
    }

    /// Without `HELLO` the connection speaks RESP2.
    fn after_hello(&mut self, resp: &Resp) -> Stage {
        self.peer = Peer { version: Version::Resp2, ..Peer::default() };
        if resp.credentials.is_some() { Stage::Auth } else { after_auth(resp) }
    }
}

fn after_auth(resp: &Resp) -> Stage {
    if resp.name.is_some() { Stage::Name } else { after_sign_in(resp) }
}

fn after_sign_in(resp: &Resp) -> Stage {
    if resp.database != 0 { Stage::Select } else { Stage::Ping }
}

fn command(stage: Stage, resp: &Resp) -> Cmd {
    let name = resp.name.as_deref().unwrap_or_default();
    match stage {
        Stage::Begin | Stage::Ping => Cmd::new("PING"),
        Stage::Hello => {
            let mut hello = Cmd::new("HELLO 3");
            if let Some(credentials) = &resp.credentials {
                hello = hello.arg("AUTH").arg(credentials.user().unwrap_or("default")).arg(credentials.password());
            }
            if resp.name.is_some() { hello.arg("SETNAME").arg(name) } else { hello }
        }
        Stage::Auth => {
            let auth = Cmd::new("AUTH");
            match &resp.credentials {
                None => auth,
                Some(credentials) => match credentials.user() {
                    Some(user) => auth.arg(user).arg(credentials.password()),
                    // Servers before 6 have no users.
                    None => auth.arg(credentials.password()),
                },
            }
        }
        Stage::Name => Cmd::new("CLIENT SETNAME").arg(name),
        Stage::Select => Cmd::new("SELECT").arg(resp.database),
    }
}

/// The map that `HELLO` is answered with.
fn greeted(value: Value) -> Result<Peer, Refusal> {
    let Value::Map(pairs) = value else { return Err(foreign("HELLO is answered with a map")) };
    let text = |name: &str| {
        let value = pairs.iter().find(|(key, _)| key.as_bytes() == Some(name.as_bytes()));
        value.and_then(|(_, value)| value.as_bytes()).map(|text| String::from_utf8_lossy(text).into_owned())
    };
    Ok(Peer {
        version: Version::Resp3,
        server: text("server").unwrap_or_default(),
        server_version: text("version").unwrap_or_default(),
    })
}

fn foreign(what: &str) -> Refusal {
    Refusal::Incompatible(format!("what answers is not Redis: {what}"))
}

/// Why, in words for an operator. The server's own words follow: they hold no credentials.
fn refused(error: &ServerError) -> Refusal {
    let why = match error.code() {
        "NOAUTH" => "the server wants a password and none is configured",
        "WRONGPASS" => "the user name or the password is wrong",
        "LOADING" => "the server is loading its data",
        "DENIED" => "the server is in protected mode",
        "NOPERM" => "the user may not do what opening a connection takes",
        _ if error.text().contains("max number of clients") => "the server has no room for another connection",
        _ if error.text().contains("without any password configured") => {
            "a password is configured and the server wants none"
        }
        _ => "the server refused the connection",
    };
    Refusal::Denied(format!("{why}: {error}"))
}
