//! Commands that are for servers and not for keys: asked of all of them at once, answered by each.

use std::time::Duration;

use futures_util::future::join_all;
use memlink_core::Command;
use memlink_meta::{AskVersion, Fault, FlushAll, Meta, Noop, Statistics, Stats, StatsKind, Verb, Verbosity};
use tokio::runtime::Handle;

use crate::Client;
use crate::client::unix_now;
use crate::cluster::Topology;
use crate::error::Error;

/// What one server answered.
#[derive(Debug, Clone)]
pub struct ServerReply<T> {
    /// The server's configured name.
    pub server: String,
    /// What it answered.
    pub reply: Result<T, Error>,
}

impl Client {
    /// Asks every server for a sign of life that changes nothing (`mn`), over one connection to each.
    pub async fn noop(&self) -> Vec<ServerReply<()>> {
        self.ask_all(Noop).await
    }

    /// The version of every server.
    pub async fn version(&self) -> Vec<ServerReply<Box<str>>> {
        self.ask_all(AskVersion).await
    }

    /// Empties every server, now or after a delay of whole seconds (rounded up). What is stored within the same second may
    /// survive.
    pub async fn flush_all(&self, delay: Option<Duration>) -> Vec<ServerReply<()>> {
        let flush = FlushAll::new();
        self.ask_all(delay.map_or(flush.clone(), |delay| flush.delay(delay))).await
    }

    /// The general statistics of every server's own counting (`stats`). For memlink's counters see
    /// [`stats`](Client::stats).
    pub async fn server_stats(&self) -> Vec<ServerReply<Statistics>> {
        self.ask_all(Stats::new()).await
    }

    /// Statistics of one kind, of every server.
    pub async fn server_stats_of(&self, kind: StatsKind) -> Vec<ServerReply<Statistics>> {
        self.ask_all(Stats::of(kind)).await
    }

    /// How much every server writes to its log; 0 is little.
    pub async fn verbosity(&self, level: u8) -> Vec<ServerReply<()>> {
        self.ask_all(Verbosity::new(level)).await
    }

    /// The servers, which are waited for if they are still to be found, as long as a request may take.
    async fn found(&self) -> Result<Topology<Meta>, Error> {
        let found = self.cluster().found();
        // Without a runtime there is nothing to wait with, and the search ends at once.
        let limit = self.cluster().settings().timeout.filter(|_| Handle::try_current().is_ok());
        let Some(limit) = limit else { return found.await };
        // There is a placeholder for those to come, whose name says where they are looked for.
        let late = || Error::deadline(self.cluster().topology().name(0).clone());
        tokio::time::timeout(limit, found).await.unwrap_or_else(|_| Err(late()))
    }

    async fn ask_all<V, T>(&self, mut verb: V) -> Vec<ServerReply<T>>
    where
        V: Verb + Unpin + Command<Meta, Output = Result<T, Fault>>,
    {
        let topology = &match self.found().await {
            Ok(topology) => topology,
            Err(error) => {
                let server = error.server().unwrap_or_default().to_owned();
                return vec![ServerReply { server, reply: Err(error) }];
            }
        };
        let invalid = &verb.prepare(unix_now).err();
        let asked = (0..topology.len()).map(|index| {
            let (verb, name) = (verb.clone(), topology.name(index));
            async move {
                let reply = match invalid {
                    Some(invalid) => Err(Error::invalid(invalid)),
                    None => match topology.send_to(index, verb).await {
                        Ok(Ok(reply)) => Ok(reply),
                        Ok(Err(fault)) => Err(Error::fault(name.clone(), &fault)),
                        Err(error) => Err(error),
                    },
                };
                ServerReply { server: name.to_string(), reply }
            }
        });
        join_all(asked).await
    }
}
