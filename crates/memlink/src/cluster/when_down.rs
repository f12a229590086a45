//! Which server a command goes to when that of its key is down: by the user's choice, and never otherwise.
//!
//! ```text
//!   key --router--> owner --is it down?--no--> owner
//!                             '--yes--> the policy: owner all the same, which refuses   (fail, miss)
//!                                                   the first stand-in that is not down (next server)
//! ```
//!
//! Neither the router nor the links know of it: a route that is made of several pools would be another such step.

use std::sync::atomic::Ordering;

use super::Topology;
use crate::config::WhenDown;
use crate::error::{Error, ErrorKind, Outcome};
use crate::link::{Link, LinkProtocol, LinkState};

/// How many stand-ins the router is asked for: with half of the servers down one of these is up but once in a million times; where more
/// are, all others are looked at.
const CANDIDATES_MAX: u32 = 20;

impl<P: LinkProtocol> Topology<P> {
    /// The index of the server that a command with this key goes to now: its owner, or where the user wants it and the owner is down, a
    /// stand-in.
    #[inline]
    pub(crate) fn choose(&self, key: &[u8]) -> usize {
        let owner = self.route(key);
        match self.settings().when_down {
            WhenDown::NextServer if self.is_down(owner) => self.stand_in(key, &[owner]).unwrap_or(owner),
            _ => owner,
        }
    }

    /// The first stand-in for this key that is not down, and none of those `except`; none at all only if there is no such server.
    #[cold]
    fn stand_in(&self, key: &[u8], except: &[usize]) -> Option<usize> {
        let candidate = |attempt| self.route_again(key, attempt);
        let is_up = |server: &usize| !except.contains(server) && !self.is_down(*server);
        let found = (0..CANDIDATES_MAX).map(candidate).find(is_up);
        let found = found.or_else(|| self.owners_behind(candidate(CANDIDATES_MAX)).find(is_up))?;
        self.substituted().fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// The indices of all servers that take keys, from this one on.
    fn owners_behind(&self, start: usize) -> impl Iterator<Item = usize> {
        let servers = self.servers().enumerate().filter(|(_, server)| server.weight > 0);
        let mut indices: Vec<_> = servers.map(|(index, _)| index).collect();
        let first = indices.partition_point(|index| *index < start);
        indices.rotate_left(first);
        indices.into_iter()
    }

    fn is_down(&self, server: usize) -> bool {
        matches!(self.state(server), LinkState::Down | LinkState::Closed)
    }

    /// Another server for a command that the server of `failed` has not taken because it is down: the owner, if that is another one and
    /// is up by now, or else a stand-in.
    pub(super) fn instead_of(&self, failed: &Link<P>, key: &[u8]) -> Option<usize> {
        if self.settings().when_down != WhenDown::NextServer {
            return None;
        }
        let (owner, failed) = (self.route(key), self.position(failed.name()).unwrap_or(usize::MAX));
        if owner != failed && !self.is_down(owner) { Some(owner) } else { self.stand_in(key, &[owner, failed]) }
    }
}

/// Whether a command was not taken because its server is down, or refuses this client.
pub(crate) fn found_no_server(error: &Error) -> bool {
    error.outcome() == Outcome::NotSent && matches!(error.kind(), ErrorKind::ServerDown | ErrorKind::Refused)
}

#[cfg(test)]
mod tests {
    use memlink_core::{Ask, Encoder, Frame, Limits, Protocol, Refusal, Step, Verdict};

    use super::*;
    use crate::cluster::Cluster;
    use crate::config::{Server, Settings};

    /// Nobody is dialled here.
    struct Mute;

    impl Protocol for Mute {
        type Expect = ();
        type State = ();
        type Peer = ();

        fn open(&self, (): &mut (), _: Option<&Frame>, _: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
            Ok(Step::Ready(()))
        }

        fn frame(&self, (): &mut (), _: Option<Ask<'_, ()>>, input: &[u8], _: &Limits) -> Verdict {
            Verdict::More { total: input.len() + 1 }
        }
    }

    /// It may have come back while the command waited for a stand-in.
    #[test]
    fn an_owner_that_is_up_comes_before_any_stand_in() {
        let servers = ["a:1", "b:1", "c:1"].map(|name| Server::tcp(name).unwrap());
        let settings = Settings::default().when_down(WhenDown::NextServer);
        let topology = Cluster::new(Mute, servers, settings).unwrap().topology();
        for key in (0..100).map(|n| format!("key-{n}")) {
            let owner = topology.route(key.as_bytes());
            for failed in 0..3 {
                let link = topology.lane(failed, 0);
                let found = topology.instead_of(link, key.as_bytes()).unwrap();
                assert!(found != failed && (found == owner || failed == owner), "{owner} {failed} {found}");
            }
        }
    }
}
