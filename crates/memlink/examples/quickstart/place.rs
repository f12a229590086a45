//! Where the tour takes place: servers inside this program, or the reader's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use memlink::{Client, Error, Event, Server, Settings};
use memlink_testserver::TestServer;

use crate::Tour;

/// Names of the embedded servers. Routing goes by names and not by addresses, so each run puts the same keys on the same server.
const NAMES: [&str; 3] = ["cache-a", "cache-b", "cache-c"];

/// Every key of the tour, without the prefix that makes it the tour's own.
pub(crate) const KEYS: &[&str] = &["greeting", "visits", "cart", "report", "journal"];
pub(crate) const CITIES: &[(&str, &str)] = &[
    ("accra", "Ghana"),
    ("bogota", "Colombia"),
    ("cairo", "Egypt"),
    ("dhaka", "Bangladesh"),
    ("hanoi", "Vietnam"),
    ("lima", "Peru"),
    ("lisbon", "Portugal"),
    ("nairobi", "Kenya"),
    ("oslo", "Norway"),
    ("quito", "Ecuador"),
    ("riga", "Latvia"),
    ("tunis", "Tunisia"),
];

pub(crate) struct Place {
    /// Empty when the servers are the reader's.
    pub(crate) embedded: Vec<TestServer>,
    url: Option<String>,
    prefix: String,
    /// What happened to the ways to the servers.
    events: Arc<Mutex<Vec<Event>>>,
}

impl Place {
    pub(crate) async fn choose() -> Result<Place, String> {
        let url = std::env::var("MEMLINK_URL").ok().filter(|url| !url.is_empty());
        let mut embedded = Vec::new();
        if url.is_none() {
            for name in NAMES {
                embedded.push(TestServer::start().await.map_err(|error| format!("cannot start {name}: {error}"))?);
            }
        }
        // Nobody else's keys begin like this. In servers of its own the tour needs no such care, and each run looks the same.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let prefix = match url {
            Some(_) => format!("memlink-tour:{:x}-{:x}:", std::process::id(), now.as_nanos()),
            None => "tour:".to_owned(),
        };
        Ok(Place { embedded, url, prefix, events: Arc::default() })
    }

    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        if let Some(url) = &self.url {
            return Client::connect(url).await;
        }
        let servers = NAMES.iter().zip(&self.embedded);
        let servers: Result<Vec<_>, _> =
            servers.map(|(name, server)| Ok(Server::tcp(&server.address())?.named(*name))).collect();
        let events = Arc::clone(&self.events);
        let settings = Settings::default()
            // A server that comes back is found within a fifth of a second, so that nobody has to wait for the tour.
            .backoff(Duration::from_millis(10), Duration::from_millis(200))
            .on_event(move |event| events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone()));
        Client::builder()
            .servers(servers.map_err(|error: memlink::ConfigError| error)?)
            .settings(settings)
            .connect()
            .await
    }

    /// The key as it is stored.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn all_keys(&self) -> Vec<String> {
        let cities = CITIES.iter().map(|(city, _)| *city);
        KEYS.iter().copied().chain(cities).map(|name| self.key(name)).collect()
    }

    /// What has happened since this was last asked.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tour {
    pub(crate) async fn meet_servers(&self) {
        self.page.step("The servers");
        self.page.say(match self.place.embedded.is_empty() {
            false => "Three servers run inside this program. One connection leads to each.",
            true => "These are your servers. One connection leads to each.",
        });
        for answer in self.cache.version().await {
            match answer.reply {
                Ok(version) => self.page.row(&answer.server, format!("speaks memcached {version}")),
                Err(error) => self.page.bad(&error.to_string()),
            }
        }
    }
}
