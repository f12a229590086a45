use std::sync::Arc;

use memlink_core::Command;
use memlink_meta::{
    Arithmetic, Counted, CountedOutcome, Debug, Delete, DeleteOutcome, Get, ItemInfo, Meta, Set, SetOutcome, Stored,
    Verb,
};

use self::sealed::Read;
use crate::error::Error;
use crate::value::Value;
use crate::{Client, lease};

/// What a command's reply is decoded to.
type OutputOf<V> = <V as Command<Meta>>::Output;

/// What the reply to a command is read as: it decides the type of a request's result.
pub trait Reading<V: Verb>: Read<V> {}

impl<V: Verb, R: Read<V>> Reading<V> for R {}

pub(crate) mod sealed {
    use super::{Arc, Client, Error, Verb};

    pub trait Read<V: Verb> {
        /// The result of the request.
        type Output;

        /// Turns the command's output into the request's.
        fn read(&self, verb: &V, output: V::Output, client: &Client, server: &Arc<str>) -> Result<Self::Output, Error>;

        /// The result of a request that no server has seen, where the user takes that for a miss or does without the write; `None` where
        /// there is no plain one.
        fn without_server(&self) -> Option<Self::Output> {
            None
        }

        /// Whether the request changes nothing.
        fn is_read(&self) -> bool {
            false
        }
    }
}

/// `Option<Value>`: a hit, or `None` for a miss.
#[derive(Debug, Clone, Copy)]
pub struct Fetched {
    pub(crate) takes_win: bool,
}

impl Read<Get> for Fetched {
    type Output = Option<Value>;

    #[inline]
    fn read(
        &self,
        verb: &Get,
        output: OutputOf<Get>,
        client: &Client,
        server: &Arc<str>,
    ) -> Result<Option<Value>, Error> {
        let Some(mut got) = output.map_err(|fault| Error::fault(server.clone(), &fault))? else { return Ok(None) };
        // A get always has a key.
        let Some(key) = verb.key() else { return Ok(None) };
        if !self.takes_win {
            lease::decline(client, key, &mut got);
        }
        Ok(Some(Value::new(key.clone(), got)))
    }

    fn without_server(&self) -> Option<Option<Value>> {
        Some(None)
    }

    fn is_read(&self) -> bool {
        true
    }
}

/// `bool`: whether there is such an item.
#[derive(Debug, Clone, Copy)]
pub struct Present;

impl Read<Get> for Present {
    type Output = bool;

    fn read(&self, verb: &Get, output: OutputOf<Get>, client: &Client, server: &Arc<str>) -> Result<bool, Error> {
        Fetched { takes_win: false }.read(verb, output, client, server).map(|found| found.is_some())
    }

    fn without_server(&self) -> Option<bool> {
        Some(false)
    }
}

/// `()`: the value was stored, or the request failed.
#[derive(Debug, Clone, Copy)]
pub struct Done;

impl Read<Set> for Done {
    type Output = ();

    fn read(&self, verb: &Set, output: OutputOf<Set>, client: &Client, server: &Arc<str>) -> Result<(), Error> {
        match Full.read(verb, output, client, server)?.outcome {
            SetOutcome::Stored => Ok(()),
            SetOutcome::NotStored | SetOutcome::Exists | SetOutcome::NotFound => Err(Error::unexpected(
                server.clone(),
                "the server did not store the value, which a plain set never is refused",
            )),
        }
    }

    fn without_server(&self) -> Option<()> {
        Some(())
    }
}

/// `bool`: whether the value was stored.
#[derive(Debug, Clone, Copy)]
pub struct AddedOrNot;

impl Read<Set> for AddedOrNot {
    type Output = bool;

    fn read(&self, verb: &Set, output: OutputOf<Set>, client: &Client, server: &Arc<str>) -> Result<bool, Error> {
        Ok(Full.read(verb, output, client, server)?.outcome == SetOutcome::Stored)
    }

    fn without_server(&self) -> Option<bool> {
        Some(false)
    }
}

/// All that the server said: [`Stored`], [`DeleteOutcome`] or [`Counted`].
#[derive(Debug, Clone, Copy)]
pub struct Full;

impl Read<Set> for Full {
    type Output = Stored;

    fn read(&self, _verb: &Set, output: OutputOf<Set>, _client: &Client, server: &Arc<str>) -> Result<Stored, Error> {
        output.map_err(|fault| Error::fault(server.clone(), &fault))
    }
}

impl Read<Delete> for Full {
    type Output = DeleteOutcome;

    fn read(
        &self,
        _verb: &Delete,
        output: OutputOf<Delete>,
        _client: &Client,
        server: &Arc<str>,
    ) -> Result<DeleteOutcome, Error> {
        output.map_err(|fault| Error::fault(server.clone(), &fault))
    }
}

impl Read<Arithmetic> for Full {
    type Output = Counted;

    fn read(
        &self,
        _verb: &Arithmetic,
        output: OutputOf<Arithmetic>,
        _client: &Client,
        server: &Arc<str>,
    ) -> Result<Counted, Error> {
        output.map_err(|fault| Error::fault(server.clone(), &fault))
    }
}

/// `bool`: whether there was such an item; it is gone, or marked, now.
#[derive(Debug, Clone, Copy)]
pub struct Deleted;

impl Read<Delete> for Deleted {
    type Output = bool;

    fn read(&self, verb: &Delete, output: OutputOf<Delete>, client: &Client, server: &Arc<str>) -> Result<bool, Error> {
        match Full.read(verb, output, client, server)? {
            DeleteOutcome::Deleted => Ok(true),
            DeleteOutcome::NotFound => Ok(false),
            DeleteOutcome::Exists | DeleteOutcome::NotStored => Err(Error::unexpected(
                server.clone(),
                "the server did not delete the item, which a plain delete never is refused",
            )),
        }
    }

    fn without_server(&self) -> Option<bool> {
        Some(false)
    }
}

/// `Option<u64>`: the number afterwards, or `None` when there is no such item.
#[derive(Debug, Clone, Copy)]
pub struct Number;

impl Read<Arithmetic> for Number {
    type Output = Option<u64>;

    fn read(
        &self,
        verb: &Arithmetic,
        output: OutputOf<Arithmetic>,
        client: &Client,
        server: &Arc<str>,
    ) -> Result<Option<u64>, Error> {
        let counted = Full.read(verb, output, client, server)?;
        match (counted.outcome, counted.value) {
            (CountedOutcome::Done, Some(value)) => Ok(Some(value)),
            (CountedOutcome::NotFound, _) => Ok(None),
            (CountedOutcome::NotStored, _) => {
                Err(Error::unexpected(server.clone(), "the server has no room for the number"))
            }
            (CountedOutcome::Done | CountedOutcome::Exists, _) => {
                Err(Error::unexpected(server.clone(), "the server changed the number and did not say what it is now"))
            }
        }
    }

    fn without_server(&self) -> Option<Option<u64>> {
        Some(None)
    }
}

/// `Option<ItemInfo>`: what the server knows of an item.
#[derive(Debug, Clone, Copy)]
pub struct Described;

impl Read<Debug> for Described {
    type Output = Option<ItemInfo>;

    fn read(
        &self,
        _verb: &Debug,
        output: OutputOf<Debug>,
        _client: &Client,
        server: &Arc<str>,
    ) -> Result<Option<ItemInfo>, Error> {
        output.map_err(|fault| Error::fault(server.clone(), &fault))
    }

    fn without_server(&self) -> Option<Option<ItemInfo>> {
        Some(None)
    }

    fn is_read(&self) -> bool {
        true
    }
}
