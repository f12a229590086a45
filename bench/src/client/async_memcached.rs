//! async-memcached: one connection for each caller, classic protocol.

use async_memcached::{AsciiProtocol, Client};

use super::{Caller, Checked};
use crate::data::{Data, Key};
use crate::workload::Workload;

pub struct AsyncMemcached(Client);

impl Caller for AsyncMemcached {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<AsyncMemcached>, String> {
        let mut callers = Vec::new();
        for _ in 0..workload.callers {
            let client = Client::new(format!("tcp://{}", servers[0])).await.map_err(|error| error.to_string())?;
            callers.push(AsyncMemcached(client));
        }
        Ok(callers)
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        let value = self.0.get(key).await.map_err(|error| error.to_string())?;
        data.check(key, value.and_then(|value| value.data).as_deref().ok_or("a miss")?)
    }

    async fn set(&mut self, key: usize, data: &Data) -> Checked {
        self.0.set(&data.keys[key], &data.values[key][..], None, None).await.map_err(|error| error.to_string())
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let values = self.0.get_multi(keys).await.map_err(|error| error.to_string())?;
        if values.len() != keys.len() {
            return Err(format!("{} of {} values", values.len(), keys.len()));
        }
        // They come in the order of the keys.
        for (key, value) in keys.iter().zip(values) {
            data.check(key, value.data.as_deref().ok_or("a miss")?)?;
        }
        Ok(())
    }
}
