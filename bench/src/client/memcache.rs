//! memcache 0.21: its pooled classic client, and its experimental clients on the meta protocol.

use memcache::exp::{AsyncMetaClient, Get, GetResult, MetaClient, MetaClientBuilder};

use super::{BlockingCaller, Caller, Checked};
use crate::data::{Data, Key};
use crate::workload::Workload;

/// The classic client: blocking, a pool as large as there are callers.
pub struct MemcachePooled(memcache::Client);

impl BlockingCaller for MemcachePooled {
    fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<MemcachePooled>, String> {
        let scheme = if workload.tls { "memcache+tls" } else { "memcache" };
        let verify = if workload.tls { "&verify_mode=none" } else { "" };
        let url = |server| format!("{scheme}://{server}?protocol=ascii&tcp_nodelay=true{verify}");
        let urls: Vec<String> = servers.iter().map(url).collect();
        let callers = workload.callers as u32;
        let client = memcache::Client::with_pool_size(urls, callers).map_err(|error| error.to_string())?;
        Ok((0..callers).map(|_| MemcachePooled(client.clone())).collect())
    }

    fn get(&mut self, key: &Key, data: &Data) -> Checked {
        let value: Option<Vec<u8>> = self.0.get(key.as_str()).map_err(|error| error.to_string())?;
        data.check(key, &value.ok_or("a miss")?)
    }

    fn set(&mut self, key: usize, data: &Data) -> Checked {
        let value = &data.values[key][..];
        self.0.set(data.keys[key].as_str(), value, 0).map_err(|error| error.to_string())
    }

    fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let values = self.0.gets::<Vec<u8>>(&names).map_err(|error| error.to_string())?;
        for key in keys {
            data.check(key, values.get(key.as_str()).ok_or("a miss")?)?;
        }
        Ok(())
    }
}

/// The experimental client, blocking.
pub struct MemcacheExp(MetaClient);

/// The experimental client on tokio.
pub struct MemcacheExpTokio(AsyncMetaClient);

fn builder(workload: &Workload) -> MetaClientBuilder {
    MetaClient::builder().max_idle(workload.callers)
}

impl BlockingCaller for MemcacheExp {
    fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<MemcacheExp>, String> {
        let client = builder(workload).connect_multiple(servers.to_vec()).map_err(|error| error.to_string())?;
        Ok((0..workload.callers).map(|_| MemcacheExp(client.clone())).collect())
    }

    fn get(&mut self, key: &Key, data: &Data) -> Checked {
        check(key, self.0.get(key).send(), data)
    }

    fn set(&mut self, key: usize, data: &Data) -> Checked {
        applied(self.0.set(data.keys[key], &data.values[key]).send())
    }

    fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let results = self.0.run_many(keys.iter().map(Get::new)).map_err(|error| error.to_string())?;
        keys.iter().zip(results).try_for_each(|(key, result)| check(key, result, data))
    }
}

impl Caller for MemcacheExpTokio {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<MemcacheExpTokio>, String> {
        let client = builder(workload).connect_multiple_async(servers.to_vec()).await;
        let client = client.map_err(|error| error.to_string())?;
        Ok((0..workload.callers).map(|_| MemcacheExpTokio(client.clone())).collect())
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        check(key, self.0.get(key).send().await, data)
    }

    async fn set(&mut self, key: usize, data: &Data) -> Checked {
        applied(self.0.set(data.keys[key], &data.values[key]).send().await)
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        let results = self.0.run_many(keys.iter().map(Get::new)).await.map_err(|error| error.to_string())?;
        keys.iter().zip(results).try_for_each(|(key, result)| check(key, result, data))
    }
}

fn check(key: &Key, result: Result<GetResult, memcache::exp::Error>, data: &Data) -> Checked {
    let result = result.map_err(|error| error.to_string())?;
    data.check(key, result.value.as_deref().ok_or("a miss")?)
}

fn applied(result: Result<memcache::exp::MutationResult, memcache::exp::Error>) -> Checked {
    match result.map_err(|error| error.to_string())?.applied() {
        true => Ok(()),
        false => Err("not stored".to_owned()),
    }
}
