use super::LinkState;

/// What a link is worth to the next command, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readiness {
    /// It is open; or it was never needed, and would never be as long as another one is open.
    Fit,
    Dialling,
    Down,
}

impl Readiness {
    pub(crate) fn of(state: LinkState) -> Readiness {
        match state {
            LinkState::Open | LinkState::Idle => Readiness::Fit,
            LinkState::Dialling => Readiness::Dialling,
            LinkState::Down | LinkState::Closed => Readiness::Down,
        }
    }
}

/// What a command in flight counts for among links, beyond its own bytes: about those of its reply, should it be small.
pub(crate) const COMMAND_LEN: usize = 64;

/// The link that the next command takes: of its own lane the one with the least in flight, but one that is lost or down only when all
/// are, and one that is down only when none is being dialled. Where none of the lane is fit, one of the others that is.
///
/// Among equals it is the first.
pub(crate) fn choose<L>(
    lane: impl Iterator<Item = (Readiness, usize, L)>,
    others: impl FnOnce() -> Option<L>,
) -> Option<L> {
    let (readiness, _, best) = lane.min_by_key(|(readiness, load, _)| (*readiness, *load))?;
    match readiness {
        Readiness::Fit => Some(best),
        Readiness::Dialling | Readiness::Down => others().or(Some(best)),
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness::{Dialling, Down, Fit};
    use super::choose;

    #[test]
    fn the_best_of_the_lane_then_anyone_who_is_fit_then_whoever_dials() {
        let none = || None;
        for (lane, others, chosen) in [
            (vec![(Fit, 9, 'a'), (Fit, 3, 'b'), (Fit, 3, 'c')], Some('x'), 'b'),
            (vec![(Down, 0, 'a'), (Fit, 90, 'b')], Some('x'), 'b'),
            (vec![(Down, 0, 'a'), (Dialling, 5, 'b')], Some('x'), 'x'),
            (vec![(Down, 0, 'a'), (Dialling, 5, 'b')], None, 'b'),
            (vec![(Down, 2, 'a'), (Down, 1, 'b')], None, 'b'),
        ] {
            assert_eq!(choose(lane.into_iter(), || others), Some(chosen));
        }
        assert_eq!(choose(std::iter::empty::<(super::Readiness, usize, char)>(), none), None);
    }
}
