//! rsmc-tokio: one connection to each server for each caller, binary protocol.
//!
//! What it stores and fetches goes through bincode, which puts eight bytes of length before a text; so it has items of its own, that
//! differ in nothing else.

use deadpool::managed::Object;
use rsmc_tokio::{ClientConfig, NoCompressor, Pool, TokioConnection};

use super::{Caller, Checked};
use crate::data::{Data, Key};
use crate::workload::Workload;

/// Keeps what it took from the pool: taking it each time costs another round trip.
pub struct Rsmc(Object<ClientConfig<TokioConnection, NoCompressor>>);

/// What its keys begin with instead of `key`.
pub const PREFIX: &str = "rsm";

impl Caller for Rsmc {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<Rsmc>, String> {
        let config = ClientConfig::new_uncompressed(servers.to_vec());
        let pool = Pool::builder(config).max_size(workload.callers).build().map_err(|error| error.to_string())?;
        let mut callers = Vec::new();
        for _ in 0..workload.callers {
            callers.push(Rsmc(pool.get().await.map_err(|error| error.to_string())?));
        }
        Ok(callers)
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        let value: Option<String> = self.0.get(own(key)).await.map_err(|error| error.to_string())?;
        data.check(key, value.ok_or("a miss")?.as_bytes())
    }

    async fn set(&mut self, key: usize, data: &Data) -> Checked {
        let value = std::str::from_utf8(&data.values[key]).map_err(|error| error.to_string())?;
        self.0.set(own(&data.keys[key]), value, 0).await.map_err(|error| error.to_string())
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let own: Vec<_> = keys.iter().map(own).collect();
        let (values, _) = self.0.get_multi::<_, String>(&own).await.map_err(|error| error.to_string())?;
        for (key, own) in keys.iter().zip(own) {
            data.check(key, values.get(&own[..]).ok_or("a miss")?.as_bytes())?;
        }
        Ok(())
    }
}

fn own(key: &Key) -> [u8; 14] {
    let mut own = [0; 14];
    own.copy_from_slice(key.as_ref());
    own[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
    own
}
