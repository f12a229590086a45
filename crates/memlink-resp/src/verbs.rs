//! The commands that nearly every program uses. All others: [`Redis::query`].

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use crate::set::Set;
use crate::{Arg, Cmd, FromReply, Redis, Request};

/// Room for the end of a command with one number.
const NUMBER_LEN: usize = 24;

/// Whole milliseconds, rounded up: what is cut to nothing would mean something else.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn of_key(name: &'static str, key: impl AsRef<[u8]>) -> Cmd {
    Cmd::of_key(name, key.as_ref(), NUMBER_LEN)
}

impl Redis {
    /// `GET`: the value of a key, `None` when there is none.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Request<Option<Bytes>> {
        self.get_as(key)
    }

    /// `GET`, read as a `T`: `Option<String>`, `Option<i64>`.
    #[inline]
    pub fn get_as<T: FromReply>(&self, key: impl AsRef<[u8]>) -> Request<T> {
        self.send(Cmd::of_key("GET", key.as_ref(), 0))
    }

    /// `SET`: stores a value. Options are methods of the request: [`ttl`](Set::ttl), [`if_absent`](Set::if_absent).
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl Arg) -> Set<'_> {
        Set::new(self, of_key("SET", key).arg(value))
    }

    /// `DEL`: deletes a key; whether there was one. For many keys [`del_many`](Redis::del_many).
    pub fn del(&self, key: impl AsRef<[u8]>) -> Request<bool> {
        self.send(of_key("DEL", key))
    }

    /// `EXISTS`: whether there is such a key.
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Request<bool> {
        self.send(of_key("EXISTS", key))
    }

    /// `INCR`: adds 1 to a number, which is 0 where there is none; the sum.
    pub fn incr(&self, key: impl AsRef<[u8]>) -> Request<i64> {
        self.send(of_key("INCR", key))
    }

    /// `INCRBY`: adds to a number; the sum.
    pub fn incr_by(&self, key: impl AsRef<[u8]>, delta: i64) -> Request<i64> {
        self.send(of_key("INCRBY", key).arg(delta))
    }

    /// `PEXPIRE`: deletes a key after `time`, rounded up to milliseconds; whether there is such a key. Zero deletes it at once.
    pub fn expire(&self, key: impl AsRef<[u8]>, time: Duration) -> Request<bool> {
        self.send(of_key("PEXPIRE", key).arg(millis(time)))
    }

    /// `PERSIST`: a key no longer expires; whether it would have.
    pub fn persist(&self, key: impl AsRef<[u8]>) -> Request<bool> {
        self.send(of_key("PERSIST", key))
    }

    /// `PTTL`: milliseconds until a key expires, -1 when it does not, -2 when there is none.
    pub fn pttl(&self, key: impl AsRef<[u8]>) -> Request<i64> {
        self.send(of_key("PTTL", key))
    }

    /// `HGET`: one field of a hash.
    pub fn hget(&self, key: impl AsRef<[u8]>, field: impl Arg) -> Request<Option<Bytes>> {
        self.send(of_key("HGET", key).arg(field))
    }

    /// `HSET`: sets one field of a hash; whether it is new.
    pub fn hset(&self, key: impl AsRef<[u8]>, field: impl Arg, value: impl Arg) -> Request<bool> {
        self.send(of_key("HSET", key).arg(field).arg(value))
    }

    /// `HDEL`: deletes one field of a hash; whether there was one.
    pub fn hdel(&self, key: impl AsRef<[u8]>, field: impl Arg) -> Request<bool> {
        self.send(of_key("HDEL", key).arg(field))
    }

    /// `HGETALL`: all fields of a hash.
    pub fn hgetall(&self, key: impl AsRef<[u8]>) -> Request<HashMap<Bytes, Bytes>> {
        self.send(of_key("HGETALL", key))
    }

    /// `LPUSH`: puts a value in front of a list; its length.
    pub fn lpush(&self, key: impl AsRef<[u8]>, value: impl Arg) -> Request<u64> {
        self.send(of_key("LPUSH", key).arg(value))
    }

    /// `RPUSH`: puts a value behind a list; its length.
    pub fn rpush(&self, key: impl AsRef<[u8]>, value: impl Arg) -> Request<u64> {
        self.send(of_key("RPUSH", key).arg(value))
    }

    /// `LPOP`: takes the first value of a list.
    pub fn lpop(&self, key: impl AsRef<[u8]>) -> Request<Option<Bytes>> {
        self.send(of_key("LPOP", key))
    }

    /// `RPOP`: takes the last value of a list.
    pub fn rpop(&self, key: impl AsRef<[u8]>) -> Request<Option<Bytes>> {
        self.send(of_key("RPOP", key))
    }

    /// `LRANGE`: values of a list from one place to another, both included; below 0 they count from the end.
    pub fn lrange(&self, key: impl AsRef<[u8]>, from: i64, to: i64) -> Request<Vec<Bytes>> {
        self.send(of_key("LRANGE", key).arg(from).arg(to))
    }

    /// `SADD`: puts a value into a set; whether it is new.
    pub fn sadd(&self, key: impl AsRef<[u8]>, member: impl Arg) -> Request<bool> {
        self.send(of_key("SADD", key).arg(member))
    }

    /// `SREM`: takes a value out of a set; whether it was there.
    pub fn srem(&self, key: impl AsRef<[u8]>, member: impl Arg) -> Request<bool> {
        self.send(of_key("SREM", key).arg(member))
    }

    /// `SMEMBERS`: all values of a set.
    pub fn smembers(&self, key: impl AsRef<[u8]>) -> Request<Vec<Bytes>> {
        self.send(of_key("SMEMBERS", key))
    }

    /// `PING`: whether the server with this index answers.
    pub fn ping(&self, server: usize) -> Request<()> {
        self.query_server(server, Cmd::new("PING"))
    }
}
