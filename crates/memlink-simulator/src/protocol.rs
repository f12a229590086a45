use memlink_core::{Ask, Encoder, Frame, Limits, Protocol, Refusal, Step, Verdict};
use memlink_meta::{Expect, Meta, Peer};

use crate::mutant::Mutant;

/// memcached's meta protocol as it is, or with one of the two mutants that are about where a reply ends.
#[derive(Debug)]
pub(crate) struct Spoken {
    meta: Meta,
    mutant: Option<Mutant>,
}

/// What one connection remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    meta: memlink_meta::State,
    /// An error line has just been handed over, and takes the next reply with it.
    drains: bool,
}

impl Spoken {
    pub(crate) fn new(opaque: bool, mutant: Option<Mutant>) -> Spoken {
        Spoken { meta: Meta::new().with_opaque(opaque), mutant }
    }
}

impl Protocol for Spoken {
    type Expect = Expect;
    type State = State;
    type Peer = Peer;

    fn open(
        &self,
        state: &mut State,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        self.meta.open(&mut state.meta, reply, out)
    }

    fn frame(&self, state: &mut State, ask: Option<Ask<'_, Expect>>, input: &[u8], limits: &Limits) -> Verdict {
        match self.mutant {
            Some(Mutant::StrayIgnored) if ask.is_none() => return Verdict::Unasked { len: input.len() },
            Some(Mutant::ErrorDrainsTwo) if state.drains && ask.is_some() => {
                state.drains = false;
                return Verdict::Silence;
            }
            _ => {}
        }
        let verdict = self.meta.frame(&mut state.meta, ask, input, limits);
        let is_error = input.starts_with(b"CLIENT_ERROR") || input.starts_with(b"SERVER_ERROR");
        state.drains = is_error && matches!(verdict, Verdict::Reply { .. });
        verdict
    }
}
