//! The client's side, as `memlink` has it: links with their drivers, and callers. What happens under its lock happens here in one
//! step; where it lets go of the lock, others may get their turn.

mod call;
mod dial;
mod driver;
mod health;
mod inline;
mod renewal;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;

use memlink_core::{Broken, Connection, Limits, Tick};

pub(crate) use call::{Call, CallError, Ending, Operation};
pub(crate) use dial::{Dial, Gate};
pub(crate) use driver::Driver;
pub(crate) use health::Prober;
pub(crate) use inline::Writing;

use crate::plan::Rules;
use crate::policy::{Backoff, LinkState, Record, RetryBudget};
use crate::protocol::Spoken;

/// Wakes the task of an operation, as long as it has not been moved to another task since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) operation: usize,
    pub(crate) task: u32,
}

/// What callers and driver share, `Shared` and `Guarded` in the client; and the driver, which is away while it runs.
pub(crate) struct Link {
    pub(crate) slot: usize,
    pub(crate) server: usize,
    /// The link that this one is to take the place of, before it serves: it has no driver of its own.
    pub(crate) beside: Option<usize>,
    pub(crate) protocol: Arc<Spoken>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) connection: Connection<Spoken, Waiter>,
    /// The driver's waker lies here, for whoever wakes it.
    pub(crate) has_waker: bool,
    /// The socket that callers may write to.
    pub(crate) inline: Option<usize>,
    pub(crate) stop: Option<Tick>,
    /// What may be submitted again by itself.
    pub(crate) retries: RetryBudget,
    /// What the server has answered of late.
    pub(crate) record: Record,
    /// About how many bytes are in flight.
    pub(crate) load: usize,
    pub(crate) distrusted: Option<(u64, &'static str)>,
    pub(crate) is_served: bool,
    pub(crate) state: LinkState,
    pub(crate) driver: Option<Box<Driver>>,
    pub(crate) is_scheduled: bool,
    /// Of all times that the timer was set, the last one counts.
    pub(crate) timer: u64,
    /// The socket of the present connection.
    pub(crate) wired: Option<usize>,
    /// Operations that were woken and have not run.
    pub(crate) ready: Vec<usize>,
    /// How often something was submitted.
    pub(crate) submitted: u64,
}

/// Faults that wait for something to happen on the links of one place.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    pub(crate) replies: VecDeque<crate::fault::Fault>,
    pub(crate) dials: VecDeque<crate::fault::Fault>,
    pub(crate) accepts: VecDeque<crate::fault::Fault>,
}

impl Link {
    pub(crate) fn new(slot: usize, server: usize, protocol: &Arc<Spoken>, limits: &Arc<Limits>) -> Link {
        Link {
            slot,
            server,
            beside: None,
            protocol: protocol.clone(),
            limits: limits.clone(),
            connection: Connection::new(protocol.clone(), limits.clone()),
            has_waker: false,
            inline: None,
            stop: None,
            retries: RetryBudget::default(),
            record: Record::default(),
            load: 0,
            distrusted: None,
            is_served: false,
            state: LinkState::Idle,
            driver: None,
            is_scheduled: false,
            timer: 0,
            wired: None,
            ready: Vec::new(),
            submitted: 0,
        }
    }

    /// Takes the driver's waker.
    pub(crate) fn take_waker(&mut self) -> bool {
        std::mem::take(&mut self.has_waker)
    }
}

pub(crate) fn new_driver(rules: &Rules) -> Driver {
    Driver::new(Backoff::new(rules.backoff.0, rules.backoff.1))
}

/// A connection was lost for a reason that the socket gave.
pub(crate) fn io(text: &str) -> Broken {
    Broken::Io(text.to_owned())
}
