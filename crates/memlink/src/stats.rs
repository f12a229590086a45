use memlink_core::Stats;

use crate::Client;
use crate::link::LinkState;

/// What a client has done, and how it stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientStats {
    /// One for each server as they are now, in the order of configuration. A server that is removed takes its counters along.
    pub servers: Vec<ServerStats>,
    /// Plain gets that were elected to refresh a stale item without having asked for that.
    pub wins_taken_by_accident: u64,
    /// How many of these elections were given back to the server.
    pub wins_given_back: u64,
    /// Reads that were misses because their server was down ([`WhenDown::Miss`](crate::WhenDown)).
    pub reads_without_server: u64,
    /// Writes that were dropped because their server was down ([`WhenDown::Miss`](crate::WhenDown)).
    pub writes_without_server: u64,
    /// How often a stand-in was chosen for a command because its server was down ([`WhenDown::NextServer`](crate::WhenDown)). More than
    /// once for one command, where it was chosen anew.
    pub substituted: u64,
}

/// What the connections to one server have done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerStats {
    /// The configured name.
    pub server: String,
    /// How the way to it stands.
    pub state: LinkState,
    /// What it answered to `version`, while it is connected.
    pub version: Option<String>,
    /// The counters of its connections, added up.
    pub counters: Stats,
}

impl Client {
    /// What has happened so far. Costs a short lock for each connection; commands pay nothing for it.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        let topology = self.cluster().topology();
        let servers = (0..topology.len()).map(|index| ServerStats {
            server: topology.name(index).to_string(),
            state: topology.state(index),
            version: topology.with_peer(index, |peer| peer.text().to_owned()),
            counters: topology.stats(index),
        });
        let [wins_taken_by_accident, wins_given_back, reads_without_server, writes_without_server] =
            self.counters().read();
        ClientStats {
            servers: servers.collect(),
            wins_taken_by_accident,
            wins_given_back,
            reads_without_server,
            writes_without_server,
            substituted: self.cluster().substituted(),
        }
    }
}
