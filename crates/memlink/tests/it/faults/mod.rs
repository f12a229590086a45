//! The client and a server that misbehaves: what each caller is told, what becomes of the connection, and that no reply is
//! ever another's. Times are those of a paused clock wherever no socket is needed.

mod chaos;
mod idle;
mod replies;
mod sockets;
mod waiting;

use std::pin::Pin;
use std::sync::Arc;

use memlink::generic::{ConnectFuture, Connector, Stream};
use memlink::{Address, Client, Error, Server, Settings, Value};
use memlink_testserver::TestServer;

/// Dials embedded servers by their addresses, through pipes that are polled by the test's own runtime, on its clock.
#[derive(Clone)]
struct Attended {
    servers: Vec<Arc<TestServer>>,
    /// What a pipe holds in each direction.
    len: usize,
}

/// Larger than all that a test has on its way.
const WIDE: usize = 1 << 20;

impl Connector for Attended {
    fn connect(&self, address: &Address) -> ConnectFuture {
        let is_meant = |server: &&Arc<TestServer>| match address {
            Address::Tcp { port, .. } => server.addr().port() == *port,
            Address::Unix(_) => false,
        };
        let server = self.servers.iter().find(is_meant).expect("one of them");
        let (near, far) = tokio::io::duplex(self.len);
        tokio::spawn(server.attend(far));
        Box::pin(async move { Ok(Box::pin(near) as Pin<Box<dyn Stream>>) })
    }
}

/// A server, and a client that has been connected to it.
struct Pair {
    server: Arc<TestServer>,
    client: Client,
}

impl Pair {
    async fn start() -> Pair {
        Pair::with(WIDE, Settings::default()).await
    }

    async fn with(len: usize, settings: Settings) -> Pair {
        let server = Arc::new(TestServer::builder().record().start().await.expect("starts"));
        let client = attended(std::slice::from_ref(&server), len, settings).await;
        Pair { server, client }
    }

    /// How many connections were opened so far.
    fn opened(&self) -> u64 {
        self.client.stats().servers[0].counters.opened
    }

    /// Whether a command with this key has reached the server whole.
    fn has_run(&self, verb: &str, key: &str) -> bool {
        let (verb, key) = (Some(verb.as_bytes()), Some(key.as_bytes()));
        self.server.executed().iter().any(|command| command.verb() == verb && command.key() == key)
    }

    /// Without faults everything is well again, after at most one lost connection that nobody has noticed yet.
    async fn is_well(&self) {
        self.server.faults().clear();
        crate::wait::until_async("all is well", async || self.client.set("well", value_of("well")).await.is_ok()).await;
        assert_eq!(told(self.client.get("well").await, "well"), "right");
        let counters = self.client.stats().servers[0].counters;
        assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled, "{counters:?}");
        assert_eq!(counters.in_flight, 0, "{counters:?}");
    }
}

/// A client of these servers, through pipes.
async fn attended(servers: &[Arc<TestServer>], len: usize, settings: Settings) -> Client {
    let settings = settings.connector(Attended { servers: servers.to_vec(), len });
    let servers = servers.iter().map(|server| Server::tcp(&server.address()).expect("an address"));
    Client::builder().servers(servers).settings(settings).connect().await.expect("they answer")
}

/// So many keys that belong to this server.
fn keys_of(client: &Client, server: &TestServer, count: usize) -> Vec<String> {
    let keys = (0..).map(|n| format!("key-{n}"));
    keys.filter(|key| client.server_of(key).is_ok_and(|name| name == server.address())).take(count).collect()
}

/// The value of a key shows whose it is, and is long enough to be cut.
fn value_of(key: &str) -> String {
    format!("{key}={}", "v".repeat(40))
}

/// What a caller is told: `right`, `miss`, or the error. A wrong value ends the test.
fn told(got: Result<Option<Value>, Error>, key: &str) -> String {
    match got {
        Ok(Some(value)) => {
            assert_eq!(value.to_str().ok(), Some(value_of(key).as_str()), "a wrong reply");
            "right".to_owned()
        }
        Ok(None) => "miss".to_owned(),
        Err(error) => format!("{:?} {:?}", error.kind(), error.outcome()),
    }
}
