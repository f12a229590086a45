//! One of many callers: it has keys of its own, and knows what each of them must hold.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use memlink::{Error, SetOutcome, Value};

use super::World;
use crate::account::End;

/// Keys that are there all the time, and are only read.
pub(super) const KEPT: u64 = 50;

/// Keys that a caller has at a time; every other one holds a number.
const OWN: usize = 8;

pub(super) struct Caller {
    world: Arc<World>,
    number: u64,
    dice: Rng,
    keys: Vec<Own>,
    /// How many values it has made.
    made: u64,
}

/// A key of its own, as it must be at the server.
struct Own {
    key: String,
    item: Option<Item>,
    is_number: bool,
    age: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Text(String),
    Number(u64),
}

pub(super) fn kept_key(number: u64) -> String {
    format!("kept-{number}")
}

pub(super) fn kept_value(key: &str) -> String {
    format!("{key}={}", "v".repeat(40))
}

impl Caller {
    pub(super) fn new(world: Arc<World>, number: u64, dice: Rng) -> Caller {
        let own = |index: usize| Own { key: String::new(), item: None, is_number: index % 2 == 1, age: 0 };
        let mut caller = Caller { world, number, dice, keys: (0..OWN).map(own).collect(), made: 0 };
        (0..OWN).for_each(|index| caller.give_up(index));
        caller
    }

    pub(super) async fn run(mut self) {
        let left = |left: u64| left.checked_sub(1);
        while self.world.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            let index = self.dice.usize(..OWN);
            match self.dice.u32(..100) {
                0..20 => self.get_kept().await,
                20..40 => self.get(index).await,
                40..50 => self.get_many().await,
                _ if self.keys[index].is_number => self.count(index).await,
                50..70 => self.store(index).await,
                70..80 => self.append(index).await,
                80..92 => self.compare_and_swap(index).await,
                _ => self.delete(index).await,
            }
        }
    }

    /// Nothing is known of this key any more: it gets another name.
    fn give_up(&mut self, index: usize) {
        let own = &mut self.keys[index];
        own.age += 1;
        own.item = None;
        own.key = format!("own-{}-{index}-{}", self.number, own.age);
    }

    /// A value names its key and its writer, and is sometimes long.
    fn value(&mut self, index: usize) -> String {
        self.made += 1;
        let len = if self.dice.u32(..100) == 0 { self.dice.usize(..20_000) } else { self.dice.usize(..200) };
        format!("{}|{}|{}|{}", self.keys[index].key, self.number, self.made, "v".repeat(len))
    }

    async fn get_kept(&mut self) {
        let key = kept_key(self.dice.u64(..KEPT));
        let got = self.world.client.get(&key).await;
        let expected = Some(Item::Text(kept_value(&key)));
        self.judge_value(&key, &got, &expected);
        self.after(&got).await;
    }

    async fn get(&mut self, index: usize) {
        let own = &self.keys[index];
        let got = self.world.client.get(&own.key).await;
        self.judge_value(&own.key, &got, &own.item);
        self.after(&got).await;
    }

    async fn get_many(&mut self) {
        let mut asked: Vec<_> = self.keys.iter().map(|own| (own.key.clone(), own.item.clone())).collect();
        asked.extend((0..4).map(|_| kept_key(self.dice.u64(..KEPT))).map(|key| {
            let value = kept_value(&key);
            (key, Some(Item::Text(value)))
        }));
        self.dice.shuffle(&mut asked);
        let many = self.world.client.get_many(asked.iter().map(|(key, _)| key)).await.into_vec();
        for (got, (key, item)) in many.iter().zip(&asked) {
            self.judge_value(key, got, item);
        }
        if let Some(failed) = many.iter().find(|got| got.is_err()) {
            self.after(failed).await;
        }
    }

    async fn store(&mut self, index: usize) {
        let value = self.value(index);
        let (key, is_there) = (&self.keys[index].key, self.keys[index].item.is_some());
        let client = &self.world.client;
        let (stored, expected) = match self.dice.u32(..4) {
            0 => (client.add(key, value.clone()).await, !is_there),
            1 => (client.replace(key, value.clone()).await, is_there),
            _ => (client.set(key, value.clone()).await.map(|()| true), true),
        };
        let item = if expected { Some(Item::Text(value)) } else { self.keys[index].item.clone() };
        self.judge_write(index, stored, expected, item).await;
    }

    async fn append(&mut self, index: usize) {
        let own = &self.keys[index];
        let piece = format!("+{}", self.dice.u32(..1_000));
        let client = &self.world.client;
        let is_behind = self.dice.bool();
        let put = if is_behind {
            client.append(&own.key, piece.clone()).await
        } else {
            client.prepend(&own.key, piece.clone()).await
        };
        let item = own.item.as_ref().map(|item| match item {
            Item::Text(text) if is_behind => Item::Text(format!("{text}{piece}")),
            Item::Text(text) => Item::Text(format!("{piece}{text}")),
            Item::Number(number) => Item::Number(*number),
        });
        let expected = item.is_some();
        self.judge_write(index, put, expected, item).await;
    }

    async fn compare_and_swap(&mut self, index: usize) {
        let got = self.world.client.get(&self.keys[index].key).with_cas().await;
        self.judge_value(&self.keys[index].key, &got, &self.keys[index].item);
        let Ok(Some(Some(cas))) = got.as_ref().map(|got| got.as_ref().map(Value::cas)) else {
            return self.after(&got).await;
        };
        let value = self.value(index);
        let is_good = self.dice.u32(..4) > 0;
        let id = if is_good { cas } else { cas + 1_000_000_000 };
        let stored = self.world.client.set(&self.keys[index].key, value.clone()).compare_cas(id).await;
        let stored = stored.map(|stored| stored.outcome);
        let (expected, item) = match is_good {
            true => (SetOutcome::Stored, Some(Item::Text(value))),
            false => (SetOutcome::Exists, self.keys[index].item.clone()),
        };
        self.judge_write(index, stored, expected, item).await;
    }

    async fn delete(&mut self, index: usize) {
        let own = &self.keys[index];
        let deleted = self.world.client.delete(&own.key).await;
        let expected = own.item.is_some();
        self.judge_write(index, deleted, expected, None).await;
    }

    async fn count(&mut self, index: usize) {
        let own = &self.keys[index];
        let client = &self.world.client;
        let (by, initial) = (self.dice.u64(1..1_000), self.dice.u64(..1 << 40));
        let now = match own.item {
            Some(Item::Number(number)) => Some(number),
            _ => None,
        };
        let (counted, number) = match self.dice.u32(..10) {
            0..6 => (client.increment(&own.key).by(by).initial(initial).await, now.map_or(initial, |now| now + by)),
            6..9 => (
                client.decrement(&own.key).by(by).initial(initial).await,
                now.map_or(initial, |now| now.saturating_sub(by)),
            ),
            _ => return self.delete(index).await,
        };
        self.judge_write(index, counted, Some(number), Some(Item::Number(number))).await;
    }

    /// What a read may say: what the key holds, or an error.
    fn judge_value(&self, key: &str, got: &Result<Option<Value>, Error>, item: &Option<Item>) {
        let Ok(got) = got else { return };
        let account = &self.world.account;
        let is_right = match (got, item) {
            (None, None) => true,
            (Some(value), Some(Item::Text(text))) => value.bytes() == text.as_bytes(),
            (Some(value), Some(Item::Number(number))) => value.to_counter() == Some(*number),
            (None, Some(_)) => return account.complain(|all| &mut all.false_misses, || format!("{key} is there")),
            (Some(_), None) => false,
        };
        if !is_right {
            account.complain(|all| &mut all.wrong_replies, || format!("{key} holds {item:.100?}, got {got:.100?}"));
        }
    }

    /// What a write may say, and what the key holds afterwards.
    async fn judge_write<T: PartialEq + Debug>(
        &mut self,
        index: usize,
        told: Result<T, Error>,
        expected: T,
        item: Option<Item>,
    ) {
        let (end, account) = (End::of(&told), &self.world.account);
        let own = &mut self.keys[index];
        account.settle(&own.key, end);
        match &told {
            Ok(told) if *told != expected => {
                account.complain(|all| &mut all.wrong_replies, || format!("{}: {told:?}, not {expected:?}", own.key));
            }
            Ok(_) => own.item = item,
            Err(_) if end == End::Open => self.give_up(index),
            Err(_) => {}
        }
        self.after(&told).await;
    }

    async fn after<T>(&self, told: &Result<T, Error>) {
        if told.is_ok() {
            return;
        }
        self.world.failed.fetch_add(1, Ordering::Relaxed);
        match End::of(told) {
            End::Open => drop(self.world.unknown.fetch_add(1, Ordering::Relaxed)),
            // A caller that goes on at once would spend its operations on a server that is known to be down.
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}
