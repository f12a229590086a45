//! memlink-resp with default settings.

use memlink_resp::Redis;

use super::{Caller, Checked};
use crate::data::{Data, Key};
use crate::workload::Workload;

pub struct MemlinkResp(Redis);

impl Caller for MemlinkResp {
    async fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<MemlinkResp>, String> {
        let url = format!("redis://{}", servers.join(","));
        let redis = Redis::connect(&url).await.map_err(|error| error.to_string())?;
        Ok((0..workload.callers).map(|_| MemlinkResp(redis.clone())).collect())
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        match self.0.get(key).await {
            Ok(Some(value)) => data.check(key, &value),
            Ok(None) => Err("a miss".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn set(&mut self, key: usize, data: &Data) -> Checked {
        self.0.set(data.keys[key], &data.values[key]).await.map(drop).map_err(|error| error.to_string())
    }

    async fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked {
        for (key, value) in keys.iter().zip(self.0.mget(keys).await) {
            data.check(key, &value.map_err(|error| error.to_string())?.ok_or("a miss")?)?;
        }
        Ok(())
    }
}
