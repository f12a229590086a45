//! memcache-async: one connection for each caller, classic protocol.

use memcache_async::ascii::Protocol;
use tokio::net::TcpStream;

use super::{Caller, Checked};
use crate::data::{Data, Key};
use crate::workload::Workload;

pub struct MemcacheAsync(Protocol<TcpStream>);

impl Caller for MemcacheAsync {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<MemcacheAsync>, String> {
        let mut callers = Vec::new();
        for _ in 0..workload.callers {
            let stream = TcpStream::connect(&servers[0]).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            callers.push(MemcacheAsync(Protocol::new(stream)));
        }
        Ok(callers)
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        data.check(key, &self.0.get(key).await.map_err(|error| error.to_string())?)
    }

    async fn set(&mut self, _key: usize, _data: &Data) -> Checked {
        Err("its set reads no reply".to_owned())
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let values = self.0.get_multi(keys).await.map_err(|error| error.to_string())?;
        for key in keys {
            data.check(key, values.get(key.as_str()).ok_or("a miss")?)?;
        }
        Ok(())
    }
}
