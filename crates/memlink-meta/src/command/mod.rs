//! One file for each command: its grammar, its options, how it is written, and what its reply means.

mod arithmetic;
mod debug;
mod delete;
mod flush_all;
mod get;
mod multi_get;
mod noop;
mod operands;
mod set;
mod stats;
#[cfg(test)]
mod tests;
mod verbosity;
mod version;

pub use arithmetic::{Arithmetic, Counted, CountedOutcome};
pub use debug::{Debug, ItemInfo};
pub use delete::{Delete, DeleteOutcome};
pub use flush_all::FlushAll;
pub use get::{Get, Got, TtlLeft};
pub use multi_get::{Found, MultiGet};
pub use noop::Noop;
pub use set::{Set, SetMode, SetOutcome, Stored};
pub use stats::{Statistics, Stats, StatsKind};
pub use verbosity::Verbosity;
pub use version::AskVersion;

use memlink_core::Command;
use operands::{Operands, Rare};

use crate::{Invalid, Key, Meta, Ttl};

/// What all commands of this crate have in common, for whoever sends them.
///
/// The order of calls: build, [`prepare`](Verb::prepare), then [`Command::check`], [`Command::encode`],
/// [`Command::decode`].
pub trait Verb: Command<Meta> + Clone + Send + Sync + 'static {
    /// Checks the options, and turns times of more than 30 days into dates by the clock `now_unix` (seconds since 1970), which
    /// is read only for those. To be called before the command is encoded; calling it again does no harm.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when the server would ignore, truncate or misread what was asked for. The command must not be sent
    /// then.
    fn prepare(&mut self, now_unix: impl Fn() -> u64) -> Result<(), Invalid>;

    /// The key that decides which server is asked. `None` for commands that are for a server and not for a key, and for
    /// those of many keys.
    fn key(&self) -> Option<&Key>;

    /// What people call it: one lower-case word for errors and metrics.
    fn name(&self) -> &'static str;
}

/// Settles the times of a command.
fn settle<'a>(now_unix: impl Fn() -> u64, ttls: impl IntoIterator<Item = &'a mut Option<Ttl>>) -> Result<(), Invalid> {
    ttls.into_iter().flatten().try_for_each(|ttl| ttl.settle(&now_unix)).map_err(Invalid::Ttl)
}

/// Settles the times that a command rarely has.
fn settle_rare(now_unix: impl Fn() -> u64, rare: &mut Rare) -> Result<(), Invalid> {
    match rare.get_mut() {
        Some(Operands { ttl, vivify, recache, .. }) => settle(now_unix, [ttl, vivify, recache]),
        None => Ok(()),
    }
}

/// Refuses combinations: the first whose condition holds, with its reason.
fn refuse(cases: &[(bool, &'static str)]) -> Result<(), Invalid> {
    match cases.iter().find(|(wrong, _)| *wrong) {
        Some((_, why)) => Err(Invalid::Options(why)),
        None => Ok(()),
    }
}

/// What every command says of its hints.
fn unsound_hints(rare: &Rare) -> (bool, &'static str) {
    (
        !rare.get().hints.are_sound(),
        "a hint for proxies is at most 32 bytes long and holds no spaces or control characters",
    )
}

const CAS_ZERO: &str =
    "no item is compared with CAS id 0: the server either never finds it equal or does not compare at all";
