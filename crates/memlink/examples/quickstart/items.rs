//! One item at a time: set and get, counters, compare and store.

use memlink::{SetOutcome, TtlLeft};

use crate::page::shown;
use crate::{Failure, LIFE, Tour};

impl Tour {
    pub(crate) async fn set_and_get(&self) -> Result<(), Failure> {
        let (page, cache, key) = (&self.page, &self.cache, self.place.key("greeting"));
        page.step("Set and get");
        page.say("A miss is an answer, not an error.");

        let missing = cache.get(&key).await?;
        page.row("get greeting", shown(missing.as_deref()));

        cache.set(&key, "hello").ttl(LIFE).await?;
        page.row("set greeting = hello, for a minute", "stored");

        let found = cache.get(&key).with_ttl().await?;
        page.row("get greeting", shown(found.as_deref()));
        if let Some(TtlLeft::Seconds(seconds)) = found.and_then(|value| value.ttl()) {
            page.row("  and ask how long it will live", format!("{seconds} s"));
        }

        let added = cache.add(&key, "bonjour").ttl(LIFE).await?;
        page.row("add greeting = bonjour", if added { "stored" } else { "not stored: there is one" });
        Ok(())
    }

    pub(crate) async fn counters(&self) -> Result<(), Failure> {
        let (page, cache, key) = (&self.page, &self.cache, self.place.key("visits"));
        page.step("Counters");
        page.say("The server counts, so no two callers can count the same visit.");

        let first = cache.increment(&key).initial(1).initial_ttl(LIFE).await?;
        page.row("increment visits, beginning with 1", number(first));
        let second = cache.increment(&key).by(41).await?;
        page.row("increment visits by 41", number(second));
        let third = cache.decrement(&key).by(100).await?;
        page.row("decrement visits by 100", format!("{}, never less", number(third)));
        Ok(())
    }

    pub(crate) async fn compare_and_store(&self) -> Result<(), Failure> {
        let (page, cache, key) = (&self.page, &self.cache, self.place.key("cart"));
        page.step("Compare and store");
        page.say("Two callers have read the same cart. Who stores second overwrites nothing.");

        cache.set(&key, "apples").ttl(LIFE).await?;
        let Some(cas) = cache.get(&key).with_cas().await?.and_then(|cart| cart.cas()) else {
            page.note("the cart was evicted before it could be read");
            return Ok(());
        };
        for (who, cart) in [("anna", "apples, pears"), ("ben", "apples, plums")] {
            let stored = cache.set(&key, cart).ttl(LIFE).compare_cas(cas).await?;
            page.row(&format!("{who} stores {cart:?}"), describe(stored.outcome));
        }
        page.row("get cart", shown(cache.get(&key).await?.as_deref()));
        Ok(())
    }
}

fn describe(outcome: SetOutcome) -> &'static str {
    match outcome {
        SetOutcome::Stored => "stored",
        SetOutcome::Exists => "refused: it has changed since",
        SetOutcome::NotFound => "refused: it is gone",
        SetOutcome::NotStored => "refused",
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "a miss".to_owned(), |number| number.to_string())
}
