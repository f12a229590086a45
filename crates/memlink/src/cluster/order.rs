use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Commands of one key that are sent together keep their order, wherever each of them goes.
///
/// A connection keeps the order of what it is given. So a command waits as long as an earlier one of its key is on its way over another
/// connection: to the server that had the key before, or to one that stood in for it.
pub(crate) struct Order {
    turns: Mutex<Turns>,
    hasher: RandomState,
}

/// The hash of a command's key, and its number. Keys that only share a hash wait for each other, which harms nobody.
type TurnOf = (u64, usize);

/// All that have not ended.
type Turns = BTreeMap<TurnOf, Turn>;

struct Turn {
    /// Which connection it is submitted to, by its address; 0 while it waits for its turn.
    link: usize,
    waker: Option<Waker>,
}

impl Order {
    pub(crate) fn new() -> Arc<Order> {
        Arc::new(Order { turns: Mutex::default(), hasher: RandomState::new() })
    }

    /// Whether this command may be submitted now to the link at this address. If not, it will be woken.
    pub(super) fn poll_turn(&self, turn: TurnOf, link: usize, cx: &Context<'_>) -> Poll<()> {
        let mut turns = self.turns();
        let is_free = turns.range((turn.0, 0)..turn).all(|(_, earlier)| earlier.link == link);
        let is_new = turns.get(&turn).is_none_or(|own| own.link != link);
        // The task is that of all who share the order, or one that it has made for this: its waker runs no user's code.
        let own = match is_free {
            true => Turn { link, waker: None },
            false => Turn { link: 0, waker: Some(cx.waker().clone()) },
        };
        turns.insert(turn, own);
        // It has left another connection, for which later ones may have waited.
        let woken = if is_free && is_new { take_wakers(&mut turns, turn) } else { Vec::new() };
        drop(turns);
        woken.into_iter().for_each(Waker::wake);
        if is_free { Poll::Ready(()) } else { Poll::Pending }
    }

    fn end(&self, turn: TurnOf) {
        let mut turns = self.turns();
        turns.remove(&turn);
        let woken = take_wakers(&mut turns, turn);
        drop(turns);
        woken.into_iter().for_each(Waker::wake);
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of the same key that come behind this one, and wait.
fn take_wakers(turns: &mut Turns, turn: TurnOf) -> Vec<Waker> {
    turns.range_mut(turn..=(turn.0, usize::MAX)).filter_map(|(_, later)| later.waker.take()).collect()
}

/// The place of one command among all that share an order.
pub(super) struct Place {
    order: Arc<Order>,
    number: usize,
    /// The hash of its key, once it has asked for its turn.
    hash: Option<u64>,
}

impl Place {
    pub(super) fn new(order: Arc<Order>, number: usize) -> Place {
        Place { order, number, hash: None }
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// What its turn is asked for by.
    pub(super) fn turn(&mut self, key: &[u8]) -> TurnOf {
        (*self.hash.get_or_insert_with(|| self.order.hasher.hash_one(key)), self.number)
    }
}

/// It has ended, or its caller has left.
impl Drop for Place {
    fn drop(&mut self) {
        if let Some(hash) = self.hash {
            self.order.end((hash, self.number));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_command_waits_for_those_of_its_key_on_other_connections() {
        let (order, woken) = (Order::new(), Arc::new(Woken(AtomicUsize::new(0))));
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        let may = |turn: TurnOf, link: usize| order.poll_turn(turn, link, &cx).is_ready();
        let wakes = || woken.0.swap(0, Ordering::Relaxed);
        assert!(may((7, 0), 1) && may((7, 1), 1) && may((8, 2), 2), "one connection keeps its order");
        assert!(!may((7, 3), 2), "two of its key are at another");
        assert!(may((8, 4), 2), "other keys do not matter");
        assert!(!may((7, 5), 1), "one before it is at none");
        assert_eq!(wakes(), 0);
        // The first moves, and the second does not stand in its way.
        assert!(may((7, 0), 2));
        assert_eq!(wakes(), 2);
        assert!(!may((7, 3), 2) && !may((7, 5), 1), "the second is still at the old one");
        order.end((7, 1));
        assert_eq!(wakes(), 2);
        assert!(may((7, 3), 2) && !may((7, 5), 1) && may((7, 5), 2));
        for number in [0, 3, 5] {
            order.end((7, number));
        }
        order.end((8, 2));
        order.end((8, 4));
        assert!(order.turns().is_empty());
    }
}
