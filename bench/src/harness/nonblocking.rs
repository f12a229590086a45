//! Callers that are tasks.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::{Limit, Outcome, Pace, Run};
use crate::client::{Caller, Flavour};
use crate::data::{Choices, Data};
use crate::workload::{Operation, Workload};

impl Run<'_> {
    /// Every caller is a task of its own, as in a real program: what `block_on` runs is no task and never on a worker.
    pub fn nonblocking<C: Caller>(&self) -> Result<Outcome, String> {
        let runtime = runtime(self.job.flavour)?;
        let data = Arc::new(Data::new(self.workload));
        let mut callers = runtime.block_on(C::connect(self.workload, &self.job.servers))?;
        self.measure(|limit| runtime.block_on(all(&mut callers, self.workload, &data, limit)))
    }
}

pub fn runtime(flavour: Flavour) -> Result<Runtime, String> {
    match flavour {
        Flavour::MultiThread(workers) => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
        _ => Builder::new_current_thread().enable_all().build(),
    }
    .map_err(|error| error.to_string())
}

async fn all<C: Caller>(
    callers: &mut Vec<C>,
    workload: &'static Workload,
    data: &Arc<Data>,
    limit: Limit,
) -> Result<u64, String> {
    let tasks: Vec<_> = callers
        .drain(..)
        .enumerate()
        .map(|(number, caller)| tokio::spawn(one(caller, number, workload, data.clone(), limit)))
        .collect();
    let mut operations = 0;
    for task in tasks {
        let (caller, result) = task.await.map_err(|error| error.to_string())?;
        operations += result?;
        callers.push(caller);
    }
    Ok(operations)
}

async fn one<C: Caller>(
    mut caller: C,
    number: usize,
    workload: &'static Workload,
    data: Arc<Data>,
    limit: Limit,
) -> (C, Result<u64, String>) {
    let mut choices = Choices::new(number);
    let mut pace = Pace::new(limit, workload.callers, workload);
    let mut keys = Vec::new();
    loop {
        let key = choices.key(&data);
        let checked = match workload.operation {
            Operation::Get => caller.get(&data.keys[key], &data).await,
            Operation::Set => caller.set(key, &data).await,
            Operation::Miss => caller.miss(&data.missing).await,
            Operation::Delete => caller.delete(&data.missing).await,
            Operation::Mixed if choices.is_set() => caller.set(key, &data).await,
            Operation::Mixed => caller.get(&data.keys[key], &data).await,
            Operation::GetMany(count) => {
                keys.clear();
                keys.extend((0..count).map(|_| data.keys[choices.key(&data)]));
                caller.get_many(&keys, &data).await
            }
        };
        if let Err(error) = checked {
            return (caller, Err(error));
        }
        if !pace.goes_on() {
            return (caller, Ok(pace.operations));
        }
    }
}
