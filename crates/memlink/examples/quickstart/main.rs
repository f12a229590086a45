//! A tour of memlink in a few seconds.
//!
//! ```text
//! cargo run --release --example quickstart
//! MEMLINK_URL=memcache://cache-1,cache-2 cargo run --release --example quickstart
//! ```
//!
//! Without `MEMLINK_URL` three servers are started inside this program, so that nothing has to be installed. With it the same
//! tour runs against yours; it uses keys of its own, which live a minute at the most and are deleted at the end.

mod bulk;
mod items;
mod lease;
mod newer;
mod outage;
mod page;
mod place;

use std::process::ExitCode;
use std::time::Duration;

use memlink::{Client, Error, ErrorKind};

use crate::page::Page;
use crate::place::Place;

/// How long anything that the tour stores may live: it tidies up, and if it is interrupted the servers do.
const LIFE: Duration = Duration::from_secs(60);

/// What stood in the way of a step.
type Failure = Box<dyn std::error::Error>;

/// What every step of the tour has at hand.
struct Tour {
    page: Page,
    place: Place,
    cache: Client,
}

#[tokio::main]
async fn main() -> ExitCode {
    let page = Page::for_stdout();
    page.title("memlink: a tour");
    let place = match Place::choose().await {
        Ok(place) => place,
        Err(what) => return page.give_up(&what),
    };
    let cache = match place.connect().await {
        Ok(cache) => cache,
        Err(error) => return page.give_up(&format!("no server can be used: {error}")),
    };
    let tour = Tour { page, place, cache };
    tour.meet_servers().await;
    let failed = tour.walk().await;
    tour.finish().await;
    match failed {
        0 => ExitCode::SUCCESS,
        _ => {
            tour.page.give_up(&format!("Steps that did not work: {failed}. What stood in their way is written above."))
        }
    }
}

impl Tour {
    /// All steps, each whatever became of the others; how many failed.
    async fn walk(&self) -> usize {
        self.told(self.set_and_get().await)
            + self.told(self.many_keys().await)
            + self.told(self.counters().await)
            + self.told(self.compare_and_store().await)
            + self.told(self.lease().await)
            + self.told(self.stale_and_refresh().await)
            + self.told(self.newer_servers().await)
            + self.told(self.outage().await)
    }

    fn told(&self, outcome: Result<(), Failure>) -> usize {
        match outcome {
            Ok(()) => 0,
            Err(failure) => {
                self.page.bad(&failure.to_string());
                1
            }
        }
    }

    /// A step that an old server cannot do is no failure of the tour.
    fn kindly<T>(&self, outcome: Result<T, Error>) -> Result<Option<T>, Error> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.page.note(&error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes what the tour has stored, and says what all of it took.
    async fn finish(&self) {
        self.page.step("What it took");
        let deleted = self.cache.delete_many(self.place.all_keys()).await;
        let gone = deleted.iter().filter(|outcome| matches!(outcome, Ok(true))).count();
        let stats = self.cache.stats();
        for server in &stats.servers {
            let (answered, opened) = (server.counters.replied, server.counters.opened);
            let connections = if opened == 1 { "connection" } else { "connections" };
            self.page.row(&server.server, format!("{answered} replies over {opened} {connections}"));
        }
        self.page.row("tidied up", format!("{gone} keys deleted"));
        self.cache.close(Duration::from_secs(1)).await;
        self.page.row("closed", "no task and no socket is left");
        self.page.end();
    }
}
