//! What is measured: one row for each workload.

use crate::client::Client;

/// One workload. Figures are per operation; an operation of a bulk get is one key.
pub struct Workload {
    pub name: &'static str,
    pub what: &'static str,
    /// How many ask at the same time, each again when it was answered.
    pub callers: usize,
    /// Connections of those who share them: memlink and the bare socket. The others use one for each caller.
    pub connections: usize,
    pub servers: usize,
    pub store: Store,
    /// Added to the server's command line.
    pub server_args: &'static [&'static str],
    pub keys: usize,
    pub value_len: usize,
    pub operation: Operation,
    pub tls: bool,
    pub clients: &'static [Client],
}

/// What the servers are.
#[derive(Clone, Copy, PartialEq)]
pub enum Store {
    Memcached,
    Redis,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Operation {
    Get,
    Set,
    /// Get of a key that is not there.
    Miss,
    /// Delete of a key that is not there, so that the next one costs the same.
    Delete,
    /// Of so many keys at once.
    GetMany(usize),
    /// One set for nine gets, of keys by Zipf's law.
    Mixed,
}

impl Workload {
    pub fn find(name: &str) -> Option<&'static Workload> {
        WORKLOADS.iter().find(|workload| workload.name.eq_ignore_ascii_case(name))
    }

    /// What one call of a caller counts as.
    pub fn operations_per_call(&self) -> usize {
        match self.operation {
            Operation::GetMany(keys) => keys,
            _ => 1,
        }
    }

    pub fn has_sets(&self) -> bool {
        matches!(self.operation, Operation::Set | Operation::Mixed)
    }
}

const W1: Workload = Workload {
    name: "W1",
    what: "get of 100 bytes, one in flight",
    callers: 1,
    connections: 1,
    servers: 1,
    store: Store::Memcached,
    server_args: &[],
    keys: 10_000,
    value_len: 100,
    operation: Operation::Get,
    tls: false,
    clients: Client::EVERY,
};

/// Workloads in the order in which they are run.
pub static WORKLOADS: &[Workload] = &[
    W1,
    Workload {
        name: "W2",
        what: "get of 100 bytes, 64 callers on one connection",
        callers: 64,
        clients: Client::EVERY_AND_WITHOUT_OPAQUE,
        ..W1
    },
    Workload {
        name: "W2R",
        what: "W2 with memcached -R 200",
        callers: 64,
        server_args: &["-R", "200"],
        clients: &[Client::Memlink, Client::MemlinkTwo, Client::Bare, Client::BareSpinning, Client::AsyncMemcached],
        ..W1
    },
    Workload {
        name: "W2M",
        what: "miss, 64 callers on one connection",
        callers: 64,
        operation: Operation::Miss,
        clients: &[Client::Memlink],
        ..W1
    },
    Workload {
        name: "W2D",
        what: "delete, 64 callers on one connection",
        callers: 64,
        operation: Operation::Delete,
        clients: &[Client::Memlink],
        ..W1
    },
    Workload { name: "W3", what: "get of 100 bytes, 512 callers on 4 connections", callers: 512, connections: 4, ..W1 },
    Workload {
        name: "W4",
        what: "bulk get of 100 keys of 100 bytes, 8 callers; figures for each key",
        callers: 8,
        operation: Operation::GetMany(100),
        clients: Client::EVERY_AND_CLASSIC,
        ..W1
    },
    Workload {
        name: "W5",
        what: "set of 1 KiB, 64 callers",
        callers: 64,
        keys: 1_000,
        value_len: 1_024,
        operation: Operation::Set,
        ..W1
    },
    Workload { name: "W6", what: "get of 64 KiB, 16 callers", callers: 16, keys: 200, value_len: 65_536, ..W1 },
    Workload {
        name: "W7",
        what: "get of 1 MiB - 1 KiB, 4 callers on 4 connections",
        callers: 4,
        connections: 4,
        keys: 32,
        value_len: (1 << 20) - 1_024,
        ..W1
    },
    Workload {
        name: "W8",
        what: "W2 over TLS",
        callers: 64,
        tls: true,
        clients: &[Client::Memlink, Client::Bare, Client::BareSpinning, Client::MemcachePooled],
        ..W1
    },
    Workload {
        name: "W9",
        what: "nine gets to one set of 100 bytes, keys by Zipf's law, 3 servers, 64 callers",
        callers: 64,
        servers: 3,
        operation: Operation::Mixed,
        ..W1
    },
    Workload {
        name: "RESP",
        what: "get of 100 bytes from redis-server, 64 callers on one connection",
        callers: 64,
        store: Store::Redis,
        clients: Client::OF_REDIS,
        ..W1
    },
];
