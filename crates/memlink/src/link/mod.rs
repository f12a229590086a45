//! One connection: the machine of `memlink-core` running on a socket.
//!
//! ```text
//!   callers                     Shared (one short lock)              Driver (one task)
//!   Call::poll --submit-------> Connection  <--take, replies-------- reads, writes, frames
//!        ^                        |    |                                |  dials, backs off
//!        '-----wake---------------'    '--wake the driver-------------->'
//! ```
//!
//! No caller ever waits for the socket, so one that is cancelled, late or dead leaves nothing half done on it.
//!
//! memlink-simulator has the driver and the callers a second time, call by call, without sockets: whoever changes the order of calls
//! here changes it there.

mod call;
mod connect;
mod driver;
mod faults;
mod gate;
mod handle;
mod names;
mod renewal;
mod shared;
mod spread;
mod wire;

pub(crate) use call::{Call, CallError, Timing};
pub use connect::{ConnectFuture, Connector};
pub(crate) use connect::{Dialer, Preparation, Way};
pub(crate) use faults::LeftAlone;
pub(crate) use gate::DialGate;
pub(crate) use handle::Link;
pub(crate) use shared::{LinkOptions, Suspension};
pub(crate) use spread::spread;

pub use crate::policy::LinkState;

use memlink_core::Protocol;

/// A protocol whose parts may move between threads, as a link needs it. Every [`Protocol`] of plain data is one.
pub trait LinkProtocol:
    Protocol<Expect: Send + 'static, State: Send + 'static, Peer: Send + 'static> + Send + Sync + 'static
{
}

impl<P> LinkProtocol for P where
    P: Protocol<Expect: Send + 'static, State: Send + 'static, Peer: Send + 'static> + Send + Sync + 'static
{
}
