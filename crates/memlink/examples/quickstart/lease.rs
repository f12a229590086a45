//! One caller does the work, the others wait or make do with the old value.

use std::time::Duration;

use memlink::{Error, Value};
use tokio::time::sleep;

use crate::page::shown;
use crate::{Failure, LIFE, Tour};

impl Tour {
    pub(crate) async fn lease(&self) -> Result<(), Failure> {
        let (page, key) = (&self.page, self.place.key("report"));
        page.step("A lease");
        page.say("Three tasks want a report that is not there. One of them is to make it.");

        let (one, two, three) = tokio::join!(self.ask_to_fill(&key), self.ask_to_fill(&key), self.ask_to_fill(&key));
        let mut winners = 0;
        for (who, found) in [("one", one?), ("two", two?), ("three", three?)] {
            winners += usize::from(found.as_ref().is_some_and(Value::is_won));
            page.row(&format!("task {who} asks"), standing(found.as_ref()));
        }
        if winners == 1 {
            self.cache.set(&key, "42 pages").ttl(LIFE).await?;
            page.row("the one elected stores it", "stored");
        }
        let waited = self.wait_for_value(&key).await?;
        page.row("the others ask again", shown(waited.as_deref()));
        Ok(())
    }

    pub(crate) async fn stale_and_refresh(&self) -> Result<(), Failure> {
        let (page, cache, key) = (&self.page, &self.cache, self.place.key("report"));
        page.step("Stale, and refreshed");
        page.say("The report is out of date. It still serves while one task makes a new one.");

        cache.delete(&key).mark_stale().ttl(LIFE).await?;
        page.row("mark report as stale", "done");
        for who in ["one", "two"] {
            let found = cache.get(&key).take_win().await?;
            let text = shown(found.as_deref());
            page.row(&format!("task {who} asks"), format!("{text}, {}", standing(found.as_ref())));
        }
        cache.set(&key, "43 pages").ttl(LIFE).await?;
        page.row("task one stores a new one", "stored");
        let fresh = cache.get(&key).await?;
        let stale = fresh.as_ref().is_some_and(Value::is_stale);
        page.row("anybody asks", format!("{}{}", shown(fresh.as_deref()), if stale { ", stale" } else { ", fresh" }));
        Ok(())
    }

    async fn ask_to_fill(&self, key: &str) -> Result<Option<Value>, Error> {
        self.cache.get(key).vivify(LIFE).await
    }

    /// What a task does that has not won: it looks again after a while.
    async fn wait_for_value(&self, key: &str) -> Result<Option<Value>, Error> {
        for _ in 0..20 {
            let found = self.cache.get(key).await?;
            if found.as_ref().is_some_and(|value| !value.is_won_by_another()) {
                return Ok(found);
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(None)
    }
}

fn standing(found: Option<&Value>) -> &'static str {
    match found {
        None => "a miss",
        Some(value) if value.is_won() => "elected to make it",
        Some(value) if value.is_won_by_another() => "somebody else makes it",
        Some(_) => "there already",
    }
}
