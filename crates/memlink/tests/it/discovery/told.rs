//! A source that says what a test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::discovery::{Discover, DiscoverFuture, DiscoveryError};
use memlink::{Builder, Client, Event, Server, Settings};
use memlink_testserver::TestServer;
use tokio::sync::watch;

use crate::memcached::patient;

/// What it says next. `None`: nothing, for ever.
type Answer = Option<Result<Vec<Server>, DiscoveryError>>;

/// Clones are one source.
#[derive(Clone)]
pub(crate) struct Told(Arc<Inner>);

struct Inner {
    name: &'static str,
    answer: watch::Sender<Answer>,
    asked: AtomicUsize,
}

impl Told {
    /// One that is silent so far.
    pub(crate) fn silent(name: &'static str) -> Told {
        Told(Arc::new(Inner { name, answer: watch::Sender::new(None), asked: AtomicUsize::new(0) }))
    }

    pub(crate) fn of(servers: Vec<Server>) -> Told {
        let told = Told::silent("told");
        told.say(servers);
        told
    }

    pub(crate) fn say(&self, servers: Vec<Server>) {
        self.0.answer.send_replace(Some(Ok(servers)));
    }

    pub(crate) fn fail(&self, why: &str) {
        self.0.answer.send_replace(Some(Err(DiscoveryError::Failed(why.to_owned()))));
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// How many hold it beside the test.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl Discover for Told {
    fn discover<'a>(&'a self, _: &'a Settings) -> DiscoverFuture<'a> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let mut answer = self.0.answer.subscribe();
        Box::pin(async move {
            let answer = answer.wait_for(Option::is_some).await.expect("the test holds it").clone();
            match answer {
                Some(Err(DiscoveryError::Failed(why))) if why == "panic" => panic!("a source that panics"),
                answer => answer.expect("it was waited for"),
            }
        })
    }

    fn source(&self) -> String {
        self.0.name.to_owned()
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(10)
    }
}

/// What was told of a client.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    /// Whether one of them has this in it.
    pub(crate) fn have(&self, part: &str) -> bool {
        self.0.lock().unwrap().iter().any(|event| event.contains(part))
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(crate) fn settings(&self) -> Settings {
        let events = self.clone();
        patient().backoff(Duration::from_millis(5), Duration::from_millis(20)).on_event(move |event: &Event| {
            events.0.lock().unwrap().push(event.to_string());
        })
    }

    pub(crate) fn builder(&self) -> Builder {
        Client::builder().settings(self.settings())
    }
}

pub(crate) async fn servers<const N: usize>() -> [TestServer; N] {
    let mut started = Vec::new();
    for _ in 0..N {
        started.push(TestServer::start().await.unwrap());
    }
    started.try_into().ok().unwrap()
}

pub(crate) fn list(servers: &[&TestServer]) -> Vec<Server> {
    servers.iter().map(|server| Server::tcp(&server.address()).unwrap()).collect()
}
