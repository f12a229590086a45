//! Many commands at once.

use std::marker::PhantomData;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::future::join_all;
use memlink::generic::Exchange;

use crate::protocol::{Resp, Together};
use crate::{Cmd, Error, FromReply, Redis, Value};

/// A future of many commands, boxed: one allocation among many.
pub type ManyFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keys of one `MGET`: the server does nothing else while it gathers them.
const MGET_KEYS_MAX: usize = 512;

/// Commands that are sent together, divided by server: those for one server leave in one write and nothing comes between them.
///
/// Their results come in the order of the commands, each with its own outcome. All replies of a server are held until the last has come;
/// together they may have [`Limits::unclaimed_bytes_max`](memlink::Limits) bytes. When the connection is lost before that, each is unknown.
#[derive(Debug)]
#[must_use = "commands are sent when the pipeline is awaited"]
pub struct Pipeline<'a, T = Value> {
    redis: &'a Redis,
    cmds: Vec<Cmd>,
    replies: PhantomData<fn() -> T>,
}

/// Commands that one server runs one behind the other with nothing in between: `MULTI`, the commands, `EXEC`, sent as one.
///
/// A command that fails while it runs does not undo those before it. One that is refused before (`ERR unknown command`) ends the
/// whole, and that error is the result.
///
/// Where the server refuses `MULTI` itself (a user of its access list who may not call it, a proxy that does not know it) the commands
/// behind it have left already and run one by one: [`Error::NoTransaction`], or the error when none of them succeeded. For the same
/// reason one whose connection is lost while it is written is unknown to have run, and never sent again by itself.
#[derive(Debug)]
#[must_use = "commands are sent when the transaction is awaited"]
pub struct Transaction<'a> {
    redis: &'a Redis,
    cmds: Vec<Cmd>,
}

impl Redis {
    /// Commands that are sent together, each with its own outcome.
    pub fn pipeline(&self, cmds: impl IntoIterator<Item = Cmd>) -> Pipeline<'_> {
        Pipeline { redis: self, cmds: cmds.into_iter().collect(), replies: PhantomData }
    }

    /// Commands for one server that run with nothing in between. Keys of different servers are refused.
    pub fn transaction(&self, cmds: impl IntoIterator<Item = Cmd>) -> Transaction<'_> {
        Transaction { redis: self, cmds: cmds.into_iter().collect() }
    }

    /// `MGET`, divided among the servers: an outcome for each key, in their order. A server that is down spoils only its own keys.
    pub async fn mget<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Result<Option<Bytes>, Error>> {
        let keys: Vec<K> = keys.into_iter().collect();
        let divided = self.divide(keys.iter().map(|key| Some(self.cluster.route(key.as_ref()))));
        let lines =
            divided.iter().flat_map(|(server, places)| places.chunks(MGET_KEYS_MAX).map(move |line| (*server, line)));
        let lines: Vec<(usize, &[usize])> = lines.collect();
        let values = lines.iter().map(|(server, places)| {
            let own = places.iter().filter_map(|place| keys.get(*place));
            self.query_server::<Vec<Option<Bytes>>>(*server, own.fold(Cmd::new("MGET"), Cmd::key))
        });
        let mut outcomes = Outcomes::new(keys.len());
        for ((server, places), values) in lines.iter().zip(join_all(values).await) {
            match values {
                Ok(values) if values.len() == places.len() => outcomes.put(places, values.into_iter().map(Ok)),
                Ok(_) => {
                    let (server, found) = (self.server_name(*server), "an array of another length");
                    let short = Error::Type { server, wanted: "a value for each key", found };
                    outcomes.put(places, std::iter::repeat_with(|| Err(short.clone())));
                }
                Err(error) => outcomes.put(places, std::iter::repeat_with(|| Err(error.clone()))),
            }
        }
        outcomes.finish()
    }

    /// `DEL` for each key, divided among the servers: whether there was one, in the order of the keys.
    pub async fn del_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Result<bool, Error>> {
        let dels = keys.into_iter().map(|key| Cmd::of_key("DEL", key.as_ref(), 0));
        self.pipeline(dels).read_as::<bool>().await
    }

    /// The places of all that belong to each server.
    fn divide(&self, servers: impl Iterator<Item = Option<usize>>) -> Vec<(usize, Vec<usize>)> {
        let mut divided: Vec<(usize, Vec<usize>)> =
            (0..self.cluster.topology().len()).map(|n| (n, Vec::new())).collect();
        for (place, server) in servers.enumerate() {
            if let Some((_, places)) = server.and_then(|server| divided.get_mut(server)) {
                places.push(place);
            }
        }
        divided.retain(|(_, places)| !places.is_empty());
        divided
    }
}

/// Results in the order of what was asked for.
struct Outcomes<T>(Vec<Option<Result<T, Error>>>);

impl<T> Outcomes<T> {
    fn new(len: usize) -> Outcomes<T> {
        Outcomes((0..len).map(|_| None).collect())
    }

    fn put(&mut self, places: &[usize], outcomes: impl Iterator<Item = Result<T, Error>>) {
        for (place, outcome) in places.iter().zip(outcomes) {
            if let Some(slot) = self.0.get_mut(*place) {
                *slot = Some(outcome);
            }
        }
    }

    /// Every place was given to a server, or has its error.
    fn finish(self) -> Vec<Result<T, Error>> {
        self.0.into_iter().map(|outcome| outcome.unwrap_or(Err(Error::NoKey))).collect()
    }
}

/// One value of a reply as the result of its command.
fn outcome<T: FromReply>(server: &str, value: Value) -> Result<T, Error> {
    let read = match value {
        Value::Error(error) => Err(crate::Fault::Server(error)),
        value => T::from_reply(value),
    };
    read.map_err(|fault| Error::fault(server, fault))
}

impl<'a, T: FromReply> Pipeline<'a, T> {
    /// Reads every reply as a `U`.
    pub fn read_as<U: FromReply>(self) -> Pipeline<'a, U> {
        Pipeline { redis: self.redis, cmds: self.cmds, replies: PhantomData }
    }

    async fn run(self) -> Vec<Result<T, Error>> {
        let redis = self.redis;
        let mut outcomes = Outcomes::new(self.cmds.len());
        let mut servers = Vec::with_capacity(self.cmds.len());
        for (place, cmd) in self.cmds.iter().enumerate() {
            let server = redis.checked_server(cmd);
            servers.push(server.as_ref().ok().copied());
            if let Err(error) = server {
                outcomes.put(&[place], std::iter::once(Err(error)));
            }
        }
        let divided = redis.divide(servers.into_iter());
        let mut cmds: Vec<Option<Cmd>> = self.cmds.into_iter().map(Some).collect();
        let exchanges = divided.iter().map(|(server, places)| {
            let cmds = places.iter().filter_map(|place| cmds.get_mut(*place)?.take()).collect();
            redis.cluster.send_to_server(*server, Together { cmds })
        });
        let exchanges: Vec<Exchange<Resp, Together>> = exchanges.collect();
        for ((server, places), replies) in divided.iter().zip(join_all(exchanges).await) {
            let name = redis.server_name(*server);
            match replies {
                Ok(values) => outcomes.put(places, values.into_iter().map(|value| outcome(&name, value))),
                Err(error) => outcomes.put(places, std::iter::repeat_with(|| Err(Error::Link(error.clone())))),
            }
        }
        outcomes.finish()
    }
}

impl<'a, T: FromReply + Send + 'a> IntoFuture for Pipeline<'a, T> {
    type Output = Vec<Result<T, Error>>;
    type IntoFuture = ManyFuture<'a, Vec<Result<T, Error>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl Transaction<'_> {
    async fn run(self) -> Result<Vec<Result<Value, Error>>, Error> {
        let mut server = None;
        for cmd in &self.cmds {
            cmd.check()?;
            match (server, self.redis.server_of(cmd)?) {
                (Some(one), Some(other)) if one != other => return Err(Error::Spread),
                (None, found) => server = found,
                _ => {}
            }
        }
        let server = server.map_or_else(|| self.redis.only_server(), Ok)?;
        let mut cmds = Vec::with_capacity(self.cmds.len() + 2);
        cmds.push(Cmd::new("MULTI"));
        cmds.extend(self.cmds);
        cmds.push(Cmd::new("EXEC"));
        let mut replies = self.redis.cluster.send_to_server(server, Together { cmds }).await?;
        let name = self.redis.server_name(server);
        if let [Value::Error(error), behind @ .., _exec] = &replies[..]
            && behind.iter().any(|reply| !matches!(reply, Value::Error(_)))
        {
            return Err(Error::NoTransaction { server: name, error: error.clone() });
        }
        match replies.pop() {
            Some(Value::Array(values)) => Ok(values.into_iter().map(|value| outcome(&name, value)).collect()),
            Some(last) => {
                // What was refused is told by the command's own reply; that of `EXEC` only says that something was.
                let refused = replies.into_iter().find(|reply| matches!(reply, Value::Error(_))).unwrap_or(last);
                let other = Error::Type { server: name.clone(), wanted: "an array", found: refused.kind() };
                Err(outcome::<()>(&name, refused).err().unwrap_or(other))
            }
            None => Err(Error::Type { server: name, wanted: "an array", found: "nothing" }),
        }
    }
}

impl<'a> IntoFuture for Transaction<'a> {
    type Output = Result<Vec<Result<Value, Error>>, Error>;
    type IntoFuture = ManyFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
