//! One verb of [`Client`] for each thing to do with a key.

use bytes::Bytes;
use memlink_meta::{Arithmetic, Debug, Delete, Get, Invalid, Key, Set, SetMode, Ttl, Verb};

use crate::Client;
use crate::request::{AddedOrNot, Deleted, Described, Done, Fetched, Number, Present, Reading, Request};

impl Client {
    /// Gets a value. `None` is a miss: the server has said that there is no such item.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Request<'_, Get, Fetched> {
        self.request(key, Get::new, Fetched { takes_win: false })
    }

    /// Gets what is asked for of an item, but not its value: add at least one `with_…`, or take the result as *is there*.
    pub fn peek(&self, key: impl AsRef<[u8]>) -> Request<'_, Get, Fetched> {
        self.request(key, Get::without_value, Fetched { takes_win: false })
    }

    /// Sets a new time to live; whether there was such an item.
    pub fn touch(&self, key: impl AsRef<[u8]>, ttl: impl Into<Ttl>) -> Request<'_, Get, Present> {
        self.request(key, |key| Get::without_value(key).touch(ttl), Present)
    }

    /// Gets a value and sets a new time to live on a hit.
    pub fn get_and_touch(&self, key: impl AsRef<[u8]>, ttl: impl Into<Ttl>) -> Request<'_, Get, Fetched> {
        self.request(key, |key| Get::new(key).touch(ttl), Fetched { takes_win: false })
    }

    /// Stores a value, whatever was there before. Without a [`ttl`](Request::ttl) it never expires.
    ///
    /// A value that is too large for the server is an error, **and the old value is gone**: that is what memcached does.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, Done> {
        self.store(SetMode::Set, key, value, Done)
    }

    /// Stores a value if there is none; whether it was stored.
    pub fn add(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Add, key, value, AddedOrNot)
    }

    /// Stores a value if there is one; whether it was stored.
    pub fn replace(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Replace, key, value, AddedOrNot)
    }

    /// Puts bytes behind a value that is there; whether there was one, with room for them.
    pub fn append(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Append, key, value, AddedOrNot)
    }

    /// Puts bytes in front of a value that is there; whether there was one, with room for them.
    pub fn prepend(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Prepend, key, value, AddedOrNot)
    }

    /// Deletes an item; whether there was one.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Request<'_, Delete, Deleted> {
        self.request(key, Delete::new, Deleted)
    }

    /// Adds to a number, 1 unless told otherwise; the number afterwards. `None`: there is no such item and no
    /// [`initial`](Request::initial) number. Beyond 2^64 - 1 it begins again at 0.
    pub fn increment(&self, key: impl AsRef<[u8]>) -> Request<'_, Arithmetic, Number> {
        self.request(key, |key| Arithmetic::increment(key).with_value(), Number)
    }

    /// Takes from a number, 1 unless told otherwise; the number afterwards, which is never below 0. `None`: there is no such item
    /// and no [`initial`](Request::initial) number.
    ///
    /// The value that is stored keeps its length: ten minus one is a `9` and a space
    /// ([`Value::to_counter`](crate::Value::to_counter) reads it).
    pub fn decrement(&self, key: impl AsRef<[u8]>) -> Request<'_, Arithmetic, Number> {
        self.request(key, |key| Arithmetic::decrement(key).with_value(), Number)
    }

    /// What the server knows of an item, for people who look for a fault (`me`). Some managed caches refuse it.
    pub fn debug(&self, key: impl AsRef<[u8]>) -> Request<'_, Debug, Described> {
        self.request(key, Debug::new, Described)
    }

    fn request<V: Verb, R: Reading<V>>(
        &self,
        key: impl AsRef<[u8]>,
        verb: impl FnOnce(Key) -> V,
        reading: R,
    ) -> Request<'_, V, R> {
        Request::new(self, Key::new(key).map(verb).map_err(Invalid::from), reading)
    }

    /// A value of more than the limit is refused here, before it is copied, queued or sent.
    fn store<R: Reading<Set>>(
        &self,
        mode: SetMode,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        reading: R,
    ) -> Request<'_, Set, R> {
        let value = value.into();
        let verb = self.check_value(&value).and_then(|()| Ok(Set::with_mode(mode, Key::new(key)?, value)));
        Request::new(self, verb, reading)
    }
}
