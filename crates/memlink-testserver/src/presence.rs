//! Whether a server can be reached at all.

use crate::faults::{Board, Installed, later};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What keeps a server from being there.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    pub(crate) is_killed: bool,
    refused_by: Option<Arc<Installed>>,
    flap: Option<Flap>,
}

#[derive(Debug)]
struct Flap {
    by: Arc<Installed>,
    is_up: bool,
    until: Instant,
}

impl Presence {
    pub(crate) fn is_there(&self) -> bool {
        !self.is_killed && self.refused_by.is_none() && self.flap.as_ref().is_none_or(|flap| flap.is_up)
    }

    /// When the server comes or goes by itself.
    pub(crate) fn next_change(&self) -> Option<Instant> {
        self.flap.as_ref().map(|flap| flap.until)
    }

    /// Looks at the faults. True if the connections that are open are cut.
    pub(crate) fn look(&mut self, board: &Board, now: Instant) -> bool {
        let refusal = board.refusal();
        if let Some(by) = refusal.as_ref().filter(|by| !is_same(Some(by), self.refused_by.as_ref())) {
            by.raise();
        }
        self.refused_by = refusal;
        self.flap_on(board.flap(), now)
    }

    fn flap_on(&mut self, wanted: Option<(Arc<Installed>, Duration, Duration)>, now: Instant) -> bool {
        let Some((by, up, down)) = wanted else {
            self.flap = None;
            return false;
        };
        match &mut self.flap {
            Some(flap) if is_same(Some(&flap.by), Some(&by)) => {
                if flap.until > now {
                    return false;
                }
                flap.is_up = !flap.is_up;
                flap.until = later(now, if flap.is_up { up } else { down });
                if !flap.is_up {
                    by.raise();
                }
                !flap.is_up
            }
            _ => {
                self.flap = Some(Flap { by, is_up: true, until: later(now, up) });
                false
            }
        }
    }
}

fn is_same(one: Option<&Arc<Installed>>, other: Option<&Arc<Installed>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
