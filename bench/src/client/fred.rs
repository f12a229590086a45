//! fred: one connection that all callers share, with small writes sent at once as the others have it.

use bytes::Bytes;
use fred::prelude::{Builder, ClientLike, Config, KeysInterface, ServerConfig, TcpConfig};
use fred::types::RespVersion;

use super::{Caller, Checked};
use crate::data::{Data, Key};
use crate::workload::Workload;

pub struct Fred(fred::prelude::Client);

impl Caller for Fred {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<Fred>, String> {
        let (host, port) = servers[0].rsplit_once(':').ok_or("an address has a port")?;
        let port = port.parse::<u16>().map_err(|error| error.to_string())?;
        let server = ServerConfig::new_centralized(host, port);
        let config = Config { server, version: RespVersion::RESP3, ..Config::default() };
        let mut builder = Builder::from_config(config);
        builder.with_connection_config(|connection| {
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        });
        let client = builder.build().map_err(|error| error.to_string())?;
        client.init().await.map_err(|error| error.to_string())?;
        Ok((0..workload.callers).map(|_| Fred(client.clone())).collect())
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        let value: Option<Bytes> = self.0.get(key.as_str()).await.map_err(|error| error.to_string())?;
        data.check(key, &value.ok_or("a miss")?)
    }

    async fn set(&mut self, key: usize, data: &Data) -> Checked {
        let value = data.values[key].clone();
        let set = self.0.set::<(), _, _>(data.keys[key].as_str(), value, None, None, false);
        set.await.map_err(|error| error.to_string())
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let texts: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let values: Vec<Option<Bytes>> = self.0.mget(texts).await.map_err(|error| error.to_string())?;
        for (key, value) in keys.iter().zip(values) {
            data.check(key, &value.ok_or("a miss")?)?;
        }
        Ok(())
    }
}
