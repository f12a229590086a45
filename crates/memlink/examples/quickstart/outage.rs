//! One server is lost and comes back.

use std::time::{Duration, Instant};

use memlink::Event;
use tokio::time::sleep;

use crate::page::shown;
use crate::place::CITIES;
use crate::{Failure, Tour};

/// How long to wait for a server that is back; it takes a fraction of that.
const PATIENCE: Duration = Duration::from_secs(5);

impl Tour {
    pub(crate) async fn outage(&self) -> Result<(), Failure> {
        self.page.step("A server is lost");
        let Some(lost) = self.place.embedded.get(1) else {
            self.page.say("Your servers are left alone. This is what would happen:");
            self.page.say("the keys of the lost server fail at once, with an error that says whether");
            self.page.say("the command can have run; all other keys go on; the server is dialled again");
            self.page.say("for ever, and no other server answers for it meanwhile.");
            return Ok(());
        };
        self.page.say("cache-b is killed. Its keys fail at once; all others go on.");
        let _ = self.place.take_events();
        lost.kill().await?;
        self.ask_for_all().await;

        lost.revive().await?;
        self.page.say("It is started again, empty as a cache is after a restart.");
        self.wait_for("cache-b").await;
        Ok(())
    }

    /// Asks for every city and shows one row for each server.
    async fn ask_for_all(&self) {
        let began = Instant::now();
        let outcomes = self.cache.get_many(CITIES.iter().map(|(city, _)| self.place.key(city))).await;
        let took = began.elapsed();
        for server in self.cache.cluster().servers() {
            let cities = self.cities_of(&server);
            let of_server = outcomes.iter().zip(CITIES).filter(|(_, (city, _))| cities.contains(city));
            let outcomes: Vec<_> = of_server.map(|(outcome, _)| outcome).collect();
            let hits = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Some(_)))).count();
            match outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
                None => self.page.row(&server, format!("{hits} of {} found", outcomes.len())),
                Some(error) => {
                    let (kind, outcome) = (error.kind(), error.outcome());
                    self.page.bad_row(&server, format!("0 of {}: {kind:?}, {outcome:?}", outcomes.len()));
                    self.page.note(&error.to_string());
                }
            }
        }
        self.page.say("NotSent: it cannot have run. No other server steps in.");
        self.page.row("all twelve answered after", format!("{:.1} ms", took.as_secs_f64() * 1e3));
    }

    async fn wait_for(&self, server: &str) {
        let began = Instant::now();
        let Some(city) = self.cities_of(server).first().copied() else { return };
        while began.elapsed() < PATIENCE {
            if let Ok(found) = self.cache.get(self.place.key(city)).await {
                let millis = began.elapsed().as_millis();
                self.page.row(&format!("{server} answers again after"), format!("{millis} ms"));
                self.page.row(&format!("get {city}"), shown(found.as_deref()));
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        let events = self.place.take_events();
        let refused = events.iter().filter(|event| matches!(event, Event::DialFailed { .. })).count();
        self.page.row("dials in vain meanwhile", refused);
    }
}
