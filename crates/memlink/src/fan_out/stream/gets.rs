use memlink_meta::{Invalid, Key, MultiGet, Verb};

use super::form::sealed::{Accepts, Sends};
use super::form::{Flight, Outcomes, answer, nothing, send};
use super::lane::Weight;
use super::lanes::Way;
use super::{GetStream, ManyStream};
use crate::Client;
use crate::client::unix_now;
use crate::error::Error;
use crate::fan_out::command::value;
use crate::fan_out::get_many::{Asked, keys_max, send_halves};
use crate::value::Value;

/// Keys are got: see [`Client::get_stream`].
#[derive(Debug, Clone, Default)]
pub struct Gets {
    asked: Asked,
}

impl<K: AsRef<[u8]>> Accepts<K> for Gets {
    fn accept(&self, _: &Client, given: K) -> Result<Key, Invalid> {
        Ok(Key::new(given)?)
    }
}

impl Sends for Gets {
    const FETCHES: bool = true;

    type Job = Key;
    type Output = Option<Value>;

    fn key(job: &Key) -> &[u8] {
        job.as_bytes()
    }

    fn weigh(job: &Key) -> Weight {
        Weight { bytes: job.wire_len() + 1, fetches: true }
    }

    fn line_max(&self, client: &Client) -> usize {
        if self.asked.is_value_alone() { keys_max(client) } else { 1 }
    }

    fn fitting<'a>(&self, jobs: impl ExactSizeIterator<Item = &'a Key>) -> usize {
        // A binary key cannot stand in a line. As the first it goes by itself.
        let any = jobs.len().min(1);
        if self.asked.is_value_alone() { MultiGet::fitting(jobs).max(any) } else { any }
    }

    fn launch(&self, client: &Client, way: Way, jobs: impl Iterator<Item = (usize, Key)>) -> Flight<Option<Value>> {
        let (indices, mut keys): (Vec<_>, Vec<_>) = jobs.unzip();
        let (client, asked) = (client.clone(), self.asked);
        if self.asked.is_value_alone() && !keys.iter().any(Key::is_binary) {
            return Box::pin(async move {
                let line = MultiGet::new(keys);
                let found = send_halves(&client, &way.topology, way.server, line, asked, way.timing).await;
                Outcomes::Line(indices, found)
            });
        }
        let (Some(index), Some(key)) = (indices.first().copied(), keys.pop()) else { return nothing() };
        let mut get = self.asked.of(key.clone());
        if let Err(invalid) = get.prepare(unix_now) {
            return Box::pin(std::future::ready(Outcomes::One(index, Err(Error::invalid(&invalid)))));
        }
        // Again by itself where it was not sent: among reads there is no order to keep.
        let send = send(&client, &way, get);
        Box::pin(async move {
            let got = answer(send).await.map(|(got, _)| got.map(|got| value(&client, key, got)));
            Outcomes::One(index, got)
        })
    }

    fn value_len(output: &Option<Value>) -> Option<usize> {
        output.as_ref().map(|value| value.len())
    }
}

/// Options of [`Client::get_stream`].
impl<I> ManyStream<I, Gets> {
    /// Asks for the client flags, too.
    pub fn with_client_flags(self) -> Self {
        self.asking(|asked| asked.client_flags = true)
    }

    /// Asks for the CAS ids, too.
    pub fn with_cas(self) -> Self {
        self.asking(|asked| asked.cas = true)
    }

    /// Asks for the times that are left, too.
    pub fn with_ttl(self) -> Self {
        self.asking(|asked| asked.ttl = true)
    }

    /// Asks for the lengths of the values, too.
    pub fn with_size(self) -> Self {
        self.asking(|asked| asked.size = true)
    }

    fn asking(mut self, change: impl FnOnce(&mut Asked)) -> Self {
        change(&mut self.source.form.asked);
        self
    }
}

impl Client {
    /// Gets the values of very many keys, each outcome as it comes: `Some` is a hit, `None` a miss.
    ///
    /// Keys are taken from the iterator as their servers have room for them, never all at once; see [`ManyStream`] for windows,
    /// deadlines and what becomes of the keys of a server that does not answer. How keys travel, and what values share, is as with
    /// [`get_many`](Client::get_many).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = memlink_testserver::TestServer::start().await?;
    /// # let cache = memlink::Client::connect(&format!("memcache://{}?timeout_ms=60000", server.address())).await?;
    /// cache.set("user:7", "ada").await?;
    ///
    /// let mut users = cache.get_stream((0..100_000).map(|id| format!("user:{id}")));
    /// let mut hits = Vec::new();
    /// while let Some((id, outcome)) = users.next().await {
    ///     if let Some(value) = outcome? {
    ///         hits.push((id, value));
    ///     }
    /// }
    /// assert_eq!(hits.len(), 1);
    /// assert!(hits[0].0 == 7 && hits[0].1 == "ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_stream<K: AsRef<[u8]>, I: IntoIterator<Item = K>>(&self, keys: I) -> GetStream<I::IntoIter> {
        ManyStream::new(self, Gets::default(), keys.into_iter())
    }
}
