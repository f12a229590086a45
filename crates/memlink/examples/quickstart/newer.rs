//! What only newer servers can do. memlink knows each server's version and says so before it sends anything.

use memlink::Value;

use crate::{Failure, LIFE, Tour};

impl Tour {
    pub(crate) async fn newer_servers(&self) -> Result<(), Failure> {
        let (page, cache, key) = (&self.page, &self.cache, self.place.key("journal"));
        page.step("What newer servers can do");
        page.say("memlink knows each server's version. What it cannot do is not sent.");

        let line = cache.append(&key, "one line;").vivify(LIFE).await;
        match self.kindly(line)? {
            Some(_) => page.row("append to a journal, or begin one", "begun"),
            None => cache.set(&key, "one line;").ttl(LIFE).await?,
        }
        let Some(cas) = cache.get(&key).with_cas().await?.and_then(|journal| journal.cas()) else { return Ok(()) };
        let again = cache.get(&key).unless_cas(cas).await?;
        let unchanged = again.as_ref().is_some_and(Value::is_unchanged);
        page.row("get it, unless it is what I have", if unchanged { "unchanged" } else { "changed" });
        Ok(())
    }
}
