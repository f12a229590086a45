//! Many keys at once, and where each of them went.

use std::time::Instant;

use crate::place::CITIES;
use crate::{Failure, LIFE, Tour};

/// How many tasks ask at the same time.
const TASKS: usize = 1_000;

impl Tour {
    pub(crate) async fn many_keys(&self) -> Result<(), Failure> {
        let (page, cache) = (&self.page, &self.cache);
        page.step("Many keys");
        page.say("Twelve cities are stored together. Each key belongs to one server:");

        cache.set_many(CITIES.iter().map(|(city, land)| (self.place.key(city), *land))).ttl(LIFE).await.all()?;
        for server in cache.cluster().servers() {
            page.keys(&server, &self.cities_of(&server));
        }
        let values = cache.get_many(CITIES.iter().map(|(city, _)| self.place.key(city))).await.all()?;
        let right = values.iter().zip(CITIES).filter(|(value, (_, land))| value.as_ref().is_some_and(|v| v == *land));
        page.row("get all twelve, in order", format!("{} of {} right", right.count(), CITIES.len()));

        let began = Instant::now();
        let tasks: Vec<_> =
            (0..TASKS).map(|n| tokio::spawn(ask(cache.clone(), self.place.key(CITIES[n % 12].0)))).collect();
        let mut hits = 0;
        for task in tasks {
            hits += usize::from(task.await.is_ok_and(|found| found));
        }
        let took = began.elapsed();
        page.row("a thousand tasks, same connections", format!("{hits} hits in {:.1} ms", took.as_secs_f64() * 1e3));
        Ok(())
    }

    /// The cities whose keys belong to a server.
    pub(crate) fn cities_of(&self, server: &str) -> Vec<&'static str> {
        let cities = CITIES.iter().map(|(city, _)| *city);
        cities.filter(|city| self.cache.server_of(self.place.key(city)).is_ok_and(|name| name == server)).collect()
    }
}

async fn ask(cache: memlink::Client, key: String) -> bool {
    cache.get(key).await.is_ok_and(|found| found.is_some())
}
