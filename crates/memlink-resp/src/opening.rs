//! The exchange before the first command.
//!
//! ```text
//!   HELLO 3 [AUTH user password] [SETNAME name]  --a map-->  [SELECT n]  --OK-->  PING  --PONG, or an error of one that serves-->  ready
//!      '--unknown, NOPROTO: RESP2--> [AUTH] --OK--> [CLIENT SETNAME] --OK-----^
//! ```
//!
//! One command at a time: a connection is dialled seldom, and each answer says on its own what is wrong. The `PING` is there because
//! a server that loads its data answers all before it as if it were ready. Over RESP2 it may be the first command: what a server says by
//! itself when it is connected to (that it has no room, say, or a greeting of another protocol) then stands where its reply belongs,
//! so nothing passes for one but `PONG` and the few errors of [`is_of_one_that_serves`].

use memlink::generic::{Encoder, Frame, Refusal, Reply, Step, Verdict};
use memlink::{Broken, Limits};

use crate::line::first;
use crate::protocol::{Expect, Peer, Resp, Version};
use crate::read::read;
use crate::{Cmd, Credentials, ServerError, Value};

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
    /// Of this connection, whatever a provider gives to others meanwhile.
    credentials: Option<Credentials>,
    is_over: bool,
    /// An error has begun to arrive before anything was asked.
    has_banner: bool,
}

impl Opening {
    /// Looks for an error that the server says by itself as soon as it is connected to: it has no room, or is in protected mode. It may come
    /// before the first command has left or after, in pieces as well. `None` when the input is something else.
    pub(crate) fn banner(&mut self, is_owed: bool, input: &[u8], limits: &Limits) -> Option<Verdict> {
        if self.is_over || (is_owed && !self.has_banner) || !input.starts_with(b"-") {
            return None;
        }
        self.has_banner = true;
        Some(match first(input) {
            Some((line, _)) => Verdict::Broken(Broken::Refused(refused(&said(line, self.credentials.as_ref())))),
            None if input.len() > limits.line_len_max => Verdict::Broken(Broken::LineTooLong),
            None => Verdict::More { total: input.len() + 1 },
        })
    }

    pub(crate) fn step(
        &mut self,
        resp: &Resp,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        let step = self.next(resp, reply, out)?;
        self.is_over = matches!(step, Step::Ready(_));
        Ok(step)
    }

    fn next(
        &mut self,
        resp: &Resp,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        if self.stage == Stage::Begin {
            self.credentials = resp.sign_in.credentials();
        }
        let value = match reply {
            None => None,
            Some(frame) => Some(read(Reply::One(frame.clone())).map_err(|malformed| foreign(malformed.what))?),
        };
        let value = match (value, reply) {
            (Some(Value::Error(_)), Some(frame)) => {
                Some(Value::Error(said(frame.as_slice(), self.credentials.as_ref())))
            }
            (value, _) => value,
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
            (Stage::Ping, Some(Value::Error(error))) if is_of_one_that_serves(&error) => {
                return Ok(Step::Ready(self.peer.clone()));
            }
            (_, Some(Value::Error(error))) => return Err(refused(&error)),
            (Stage::Ping, Some(Value::Simple(text))) if text == "PONG" => return Ok(Step::Ready(self.peer.clone())),
            (Stage::Ping, _) => return Err(foreign("PING is answered with PONG")),
            (_, value) if value != Some(Value::Simple("OK".into())) => {
                return Err(foreign("AUTH, CLIENT SETNAME and SELECT are answered with OK"));
            }
            (Stage::Auth, _) => after_auth(resp),
            (Stage::Name, _) => after_sign_in(resp),
            (Stage::Select, _) => Stage::Ping,
        };
        self.stage = next;
        command(next, resp, self.credentials.as_ref()).encode(out);
        Ok(Step::Send(vec![Expect::ONE]))
    }

    /// Without `HELLO` the connection speaks RESP2.
    fn after_hello(&mut self, resp: &Resp) -> Stage {
        self.peer = Peer { version: Version::Resp2, ..Peer::default() };
        if self.credentials.is_some() { Stage::Auth } else { after_auth(resp) }
    }
}

/// Whether a `PING` was refused by a server that does other things: the user may not ping, or nobody may; a script keeps the server busy;
/// its master is away; it cannot save, and so refuses writes and this.
fn is_of_one_that_serves(error: &ServerError) -> bool {
    matches!(error.code(), "NOPERM" | "BUSY" | "MASTERDOWN" | "MISCONF")
        || error.text().starts_with("ERR unknown command")
}

fn after_auth(resp: &Resp) -> Stage {
    if resp.name.is_some() { Stage::Name } else { after_sign_in(resp) }
}

fn after_sign_in(resp: &Resp) -> Stage {
    if resp.database != 0 { Stage::Select } else { Stage::Ping }
}

fn command(stage: Stage, resp: &Resp, credentials: Option<&Credentials>) -> Cmd {
    let name = resp.name.as_deref().unwrap_or_default();
    match stage {
        Stage::Begin | Stage::Ping => Cmd::new("PING"),
        Stage::Hello => {
            let mut hello = Cmd::new("HELLO 3");
            if let Some(credentials) = credentials {
                hello = hello.arg("AUTH").arg(credentials.user().unwrap_or("default")).arg(credentials.password());
            }
            if resp.name.is_some() { hello.arg("SETNAME").arg(name) } else { hello }
        }
        Stage::Auth => {
            let auth = Cmd::new("AUTH");
            match credentials {
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

/// Why, in words for an operator. The server's own words follow.
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

/// The error in a reply, without the password, should the server repeat that.
fn said(reply: &[u8], credentials: Option<&Credentials>) -> ServerError {
    let text = match (reply.first(), first(reply)) {
        // The one line of an error, or the lines of a long one behind that of its length.
        (Some(b'!'), Some((_, at))) => reply.get(at..).unwrap_or_default(),
        (_, Some((line, _))) => line.get(1..).unwrap_or_default(),
        (_, None) => reply.get(1..).unwrap_or_default(),
    };
    ServerError::without(credentials.map_or("", Credentials::password), text.strip_suffix(b"\r\n").unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_the_server_repeats_is_not_said() {
        for password in ["sesame".to_owned(), "sesame ".repeat(100)] {
            let credentials = Credentials::with_password(&password);
            let text = format!("ERR Syntax error in HELLO option '{password}'");
            for reply in [format!("-{text}\r\n"), format!("-{text}"), format!("!{}\r\n{text}\r\n", text.len())] {
                let Refusal::Denied(text) = refused(&said(reply.as_bytes(), Some(&credentials))) else {
                    panic!("denied")
                };
                assert!(text.ends_with("HELLO option '***'") && !text.contains("sesame"), "{text}");
            }
        }
    }

    /// Whether the server was faster or the first command was, and wherever its words are cut.
    #[test]
    fn an_error_in_place_of_a_greeting_is_a_refusal() {
        let line = b"-ERR max number of clients reached\r\n";
        for at in 1..=line.len() {
            let (mut opening, limits) = (Opening::default(), Limits::default());
            let begun = opening.banner(false, &line[..at], &limits);
            let ended = if at < line.len() { opening.banner(true, line, &limits) } else { begun };
            assert!(matches!(ended, Some(Verdict::Broken(Broken::Refused(Refusal::Denied(_))))), "{ended:?}");
        }
        // A reply to the first command is one.
        assert_eq!(Opening::default().banner(true, line, &Limits::default()), None);
        assert_eq!(Opening::default().banner(false, b"+OK\r\n", &Limits::default()), None);
        let over = &mut Opening { is_over: true, ..Opening::default() };
        assert_eq!(over.banner(false, line, &Limits::default()), None);
    }
}
