//! memlink as its users have it: default settings but for the number of connections.

use memlink::{Client, Server, Settings};

use super::{Caller, Checked};
use crate::data::{Data, Key};
use crate::tls;
use crate::workload::Workload;

/// With default settings.
pub type Memlink = With<true, 0>;

/// Replies are matched by their order alone.
pub type MemlinkWithoutOpaque = With<false, 0>;

/// On two connections, whatever the workload says.
pub type MemlinkTwo = With<true, 2>;

/// With or without opaques, on as many connections as the workload says (0) or on so many.
#[derive(Clone)]
pub struct With<const OPAQUE: bool, const CONNECTIONS: usize>(Client);

/// A client with an open connection to every server.
pub async fn build(servers: &[String], connections: usize, opaque: bool, is_secret: bool) -> Result<Client, String> {
    let mut all = Vec::new();
    for server in servers {
        all.push(Server::tcp(server).map_err(|error| error.to_string())?);
    }
    let settings = Settings::default().connections_per_server(connections);
    let settings = if is_secret { settings.tls(tls::options()) } else { settings };
    let builder = Client::builder().servers(all).settings(settings).opaque(opaque);
    builder.connect().await.map_err(|error| error.to_string())
}

impl<const OPAQUE: bool, const CONNECTIONS: usize> Caller for With<OPAQUE, CONNECTIONS> {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<Self>, String> {
        let connections = if CONNECTIONS == 0 { workload.connections } else { CONNECTIONS };
        let client = build(servers, connections, OPAQUE, workload.tls).await?;
        Ok((0..workload.callers).map(|_| With(client.clone())).collect())
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        match self.0.get(key).await {
            Ok(Some(value)) => data.check(key, &value),
            Ok(None) => Err("a miss".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn set(&mut self, key: usize, data: &Data) -> Checked {
        self.0.set(data.keys[key], data.values[key].clone()).await.map_err(|error| error.to_string())
    }

    async fn miss(&mut self, key: &Key) -> Checked {
        match self.0.get(key).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err("a hit".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn delete(&mut self, key: &Key) -> Checked {
        match self.0.delete(key).await {
            Ok(false) => Ok(()),
            Ok(true) => Err("it was there".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let values = self.0.get_many(keys).await;
        for (key, value) in keys.iter().zip(values) {
            match value {
                Ok(Some(value)) => data.check(key, &value)?,
                Ok(None) => return Err("a miss".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}
