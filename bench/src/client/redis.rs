//! redis-rs: one multiplexed connection that all callers share, with small writes sent at once as the others have it.

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncCommands, IntoConnectionInfo};

use super::{Caller, Checked};
use crate::data::{Data, Key};
use crate::workload::Workload;

pub struct RedisRs(MultiplexedConnection);

impl Caller for RedisRs {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<RedisRs>, String> {
        let url = format!("redis://{}/?protocol=resp3", servers[0]);
        let info = url.into_connection_info().map_err(|error| error.to_string())?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = redis::Client::open(info).map_err(|error| error.to_string())?;
        let connection = client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
        Ok((0..workload.callers).map(|_| RedisRs(connection.clone())).collect())
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        let value: Option<Vec<u8>> = self.0.get(key.as_str()).await.map_err(|error| error.to_string())?;
        data.check(key, &value.ok_or("a miss")?)
    }

    async fn set(&mut self, key: usize, data: &Data) -> Checked {
        self.0.set(data.keys[key].as_str(), &data.values[key][..]).await.map_err(|error| error.to_string())
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let texts: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let values: Vec<Option<Vec<u8>>> = self.0.mget(texts).await.map_err(|error| error.to_string())?;
        for (key, value) in keys.iter().zip(values) {
            data.check(key, &value.ok_or("a miss")?)?;
        }
        Ok(())
    }
}
