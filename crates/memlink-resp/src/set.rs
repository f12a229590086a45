use std::time::Duration;

use crate::verbs::millis;
use crate::{Cmd, Redis, Request};

/// `SET`, under construction.
///
/// | result | means |
/// | --- | --- |
/// | `Ok(true)` | stored |
/// | `Ok(false)` | not stored, because of [`if_absent`](Set::if_absent) or [`if_present`](Set::if_present) |
#[derive(Debug)]
#[must_use = "a command is sent when its request is awaited"]
pub struct Set<'a> {
    redis: &'a Redis,
    cmd: Cmd,
    life: Life,
    condition: Option<&'static str>,
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Life {
    ForEver,
    For(Duration),
    Kept,
}

impl<'a> Set<'a> {
    pub(crate) fn new(redis: &'a Redis, cmd: Cmd) -> Set<'a> {
        Set { redis, cmd, life: Life::ForEver, condition: None, timeout: None }
    }

    /// How long the value lives, rounded up to milliseconds. Zero is refused by the server.
    pub fn ttl(self, time: Duration) -> Set<'a> {
        Set { life: Life::For(time), ..self }
    }

    /// The value lives as long as the one before it would have (Redis 6).
    pub fn keep_ttl(self) -> Set<'a> {
        Set { life: Life::Kept, ..self }
    }

    /// Only where there is no such key.
    pub fn if_absent(self) -> Set<'a> {
        Set { condition: Some("NX"), ..self }
    }

    /// Only where there is such a key.
    pub fn if_present(self) -> Set<'a> {
        Set { condition: Some("XX"), ..self }
    }

    /// As [`Request::timeout`].
    pub fn timeout(self, timeout: Duration) -> Set<'a> {
        Set { timeout: Some(timeout), ..self }
    }
}

impl IntoFuture for Set<'_> {
    type Output = Result<bool, crate::Error>;
    type IntoFuture = SetFuture;

    fn into_future(self) -> SetFuture {
        let cmd = match self.life {
            Life::ForEver => self.cmd,
            Life::For(time) => self.cmd.arg("PX").arg(millis(time)),
            Life::Kept => self.cmd.arg("KEEPTTL"),
        };
        let cmd = match self.condition {
            Some(condition) => cmd.arg(condition),
            None => cmd,
        };
        let request = self.redis.send(cmd);
        SetFuture(match self.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        })
    }
}

/// A [`Set`] on its way.
#[derive(Debug)]
#[must_use = "a command is sent when its request is awaited"]
pub struct SetFuture(Request<Option<()>>);

impl Future for SetFuture {
    type Output = Result<bool, crate::Error>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<bool, crate::Error>> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|set| set.map(|stored| stored.is_some()))
    }
}
