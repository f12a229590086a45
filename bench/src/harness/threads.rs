//! Callers that are threads.

use super::{Limit, Outcome, Pace, Run};
use crate::client::BlockingCaller;
use crate::data::{Choices, Data};
use crate::workload::{Operation, Workload};

impl Run<'_> {
    pub fn blocking<C: BlockingCaller>(&self) -> Result<Outcome, String> {
        let data = Data::new(self.workload);
        let mut callers = C::connect(self.workload, &self.job.servers)?;
        self.measure(|limit| all(&mut callers, self.workload, &data, limit))
    }
}

fn all<C: BlockingCaller>(callers: &mut [C], workload: &Workload, data: &Data, limit: Limit) -> Result<u64, String> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = callers
            .iter_mut()
            .enumerate()
            .map(|(number, caller)| scope.spawn(move || one(caller, number, workload, data, limit)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<u64, String>>| {
            thread.join().map_err(|_| "a caller has panicked".to_owned())?
        };
        threads.into_iter().map(join).sum()
    })
}

fn one<C: BlockingCaller>(
    caller: &mut C,
    number: usize,
    workload: &Workload,
    data: &Data,
    limit: Limit,
) -> Result<u64, String> {
    let mut choices = Choices::new(number);
    let mut pace = Pace::new(limit, workload.callers, workload);
    let mut keys = Vec::new();
    loop {
        let key = choices.key(data);
        match workload.operation {
            Operation::Get => caller.get(&data.keys[key], data),
            Operation::Set => caller.set(key, data),
            Operation::Miss | Operation::Delete => Err("not measured of this client".to_owned()),
            Operation::Mixed if choices.is_set() => caller.set(key, data),
            Operation::Mixed => caller.get(&data.keys[key], data),
            Operation::GetMany(count) => {
                keys.clear();
                keys.extend((0..count).map(|_| data.keys[choices.key(data)]));
                caller.get_many(&keys, data)
            }
        }?;
        if !pace.goes_on() {
            return Ok(pace.operations);
        }
    }
}
