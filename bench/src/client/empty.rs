//! No client at all: what the harness itself costs, to be subtracted where instructions are counted.

use super::{Caller, Checked};
use crate::data::{Data, Key, value_of};
use crate::workload::Workload;

pub struct Empty(Vec<u8>);

impl Caller for Empty {
    async fn connect(workload: &Workload, _servers: &[String]) -> Result<Vec<Empty>, String> {
        Ok((0..workload.callers).map(|_| Empty(value_of(&Key::of(0), workload.value_len).to_vec())).collect())
    }

    async fn get(&mut self, key: &Key, data: &Data) -> Checked {
        self.0[..key.as_ref().len()].copy_from_slice(key.as_ref());
        data.check(key, &self.0)
    }

    async fn set(&mut self, _key: usize, _data: &Data) -> Checked {
        Ok(())
    }

    async fn get_many(&mut self, _keys: &[Key], _data: &Data) -> Checked {
        Ok(())
    }
}
