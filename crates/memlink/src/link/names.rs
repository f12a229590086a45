//! Whether the name of a server still leads to where its connections go.
//!
//! ```text
//!   opened ---interval---> look up ---found, or failed---> ---interval---> look up ...
//!                             '---the address is not among the answers---> the connection is replaced (renewal.rs)
//! ```
//!
//! A name is looked up once for all links of a server: the answer lies at its gate, and serves whoever comes within half an interval.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use memlink_core::Tick;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::connect::contained;
use super::driver::{Driver, Way};
use super::{LinkProtocol, spread};
use crate::event::Event;
use crate::transport::{Address, Resolver, is_literal};

/// The watch of one link over the name of its server.
pub(super) struct Names {
    /// The address that is to stay among those of the name. There is none where nothing can change: no name, no socket of the
    /// system's, no connection.
    connected: Option<IpAddr>,
    due: Tick,
    asked: Option<Pin<Box<dyn Future<Output = Found> + Send>>>,
    /// The name has left the address of the connection.
    pub(super) has_moved: bool,
}

/// The last answer for all links of a server. An async lock, so that one of them asks and the others wait.
pub(super) type Answers = Mutex<Option<(Instant, Answer)>>;

type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

struct Found {
    answer: Answer,
    /// Nobody else has been told of it.
    is_own: bool,
}

impl Names {
    /// Nothing is watched, nothing is asked: a question that nobody drives would keep the other links of the server from theirs.
    pub(super) fn none() -> Names {
        Names { connected: None, due: Tick::NEVER, asked: None, has_moved: false }
    }
}

impl<P: LinkProtocol> Driver<P> {
    /// A connection is open: its name is watched from now on.
    pub(super) fn begin_names(&mut self, now: Tick) {
        self.names = Names::none();
        let Some(interval) = self.shared.options.resolve_interval else { return };
        let (Way::Connected(wire), Address::Tcp { host, .. }) = (&self.way, &self.shared.address) else { return };
        if !is_literal(host) {
            self.names.connected = wire.peer().map(|peer| peer.ip().to_canonical());
            self.names.due = now.after(spread(interval));
        }
    }

    /// One step, while the connection is open; says when the next one is due without a wake-up.
    pub(super) fn drive_names(&mut self, cx: &mut Context<'_>, now: Tick) -> Tick {
        let (Some(interval), Some(connected)) = (self.shared.options.resolve_interval, self.names.connected) else {
            return Tick::NEVER;
        };
        if self.names.asked.is_none() {
            if now < self.names.due {
                return self.names.due;
            }
            let asked = self.look_up(interval);
            self.names.asked = asked;
        }
        let Some(asked) = &mut self.names.asked else { return Tick::NEVER };
        let Poll::Ready(Found { answer, is_own }) = asked.as_mut().poll(cx) else { return Tick::NEVER };
        self.names.asked = None;
        self.names.due = now.after(spread(interval));
        match answer {
            Ok(addresses) => self.names.has_moved = !addresses.contains(&connected),
            Err(error) if is_own => {
                let server = &self.shared.name;
                self.shared.observe(|| Event::LookUpFailed { server: server.clone(), error });
            }
            Err(_) => {}
        }
        self.names.due
    }

    fn look_up(&self, interval: Duration) -> Option<Pin<Box<dyn Future<Output = Found> + Send>>> {
        let Address::Tcp { host, port } = &self.shared.address else { return None };
        let (host, port, gate) = (host.clone(), *port, self.shared.gate.clone());
        let (resolver, limit) = (self.shared.options.dialer.resolver.clone(), self.shared.options.dial_timeout);
        Some(Box::pin(async move {
            let mut last = gate.answers().lock().await;
            if let Some((asked, answer)) = &*last
                && asked.elapsed() < interval / 2
            {
                return Found { answer: answer.clone(), is_own: false };
            }
            let answer = look_up(&resolver, &host, port, limit).await.map_err(|error| error.to_string().into());
            *last = Some((Instant::now(), answer.clone()));
            Found { answer, is_own: true }
        }))
    }
}

async fn look_up(resolver: &Resolver, host: &str, port: u16, limit: Duration) -> io::Result<Arc<[IpAddr]>> {
    let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "the look-up timed out");
    let found = timeout(limit, contained(resolver.look_up(host, port))).await.map_err(timed_out)??;
    Ok(found.into_iter().map(|address| address.ip().to_canonical()).collect())
}
