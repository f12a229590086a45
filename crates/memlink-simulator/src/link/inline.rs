use memlink_core::{Inline, Tick};
use memlink_meta::Expect;

use crate::world::{Next, World};

/// A caller that writes by itself and may be held up at any point of it, as a thread may.
pub(crate) struct Writing {
    inline: Inline<Expect>,
    link: usize,
    operation: usize,
    wired: usize,
    /// How many bytes were taken, once it has written.
    n: Option<usize>,
    began: Tick,
    /// It took the driver's waker with it.
    wakes: bool,
}

impl World {
    /// Writes what the caller may write by itself, once and without waiting: `write_inline` in the client.
    pub(super) fn write_inline(&mut self, link: usize, operation: usize, wake_driver: bool) {
        let now = self.tick();
        let shared = &mut self.links[link];
        let write = shared.inline.and_then(|wired| Some((wired, shared.connection.take_inline(now)?)));
        let wakes = (wake_driver || write.is_none()) && shared.take_waker();
        let Some((wired, inline)) = write else {
            if wakes {
                self.schedule_driver(link);
            }
            return;
        };
        self.wired[wired].writers += 1;
        let mut writing = Writing { inline, link, operation, wired, n: None, began: now, wakes };
        match self.dice.below(16) {
            // Held up before it writes.
            0 => self.hold_up(writing),
            // Held up behind it.
            1..4 => {
                self.write_once(&mut writing);
                self.hold_up(writing);
            }
            _ => {
                self.write_once(&mut writing);
                self.end_writing(writing);
            }
        }
    }

    fn hold_up(&mut self, writing: Writing) {
        let usual = if self.dice.one_in(8) { 2_000_000 } else { 200_000 };
        let until = self.now + self.dice.below(usual);
        self.operations[writing.operation].is_busy = true;
        self.writings.push(Some(writing));
        self.at(until, Next::Written(self.writings.len() - 1));
    }

    /// It goes on.
    pub(crate) fn go_on_writing(&mut self, at: usize) {
        let Some(mut writing) = self.writings.get_mut(at).and_then(Option::take) else { return };
        if writing.n.is_none() {
            self.write_once(&mut writing);
            if self.dice.one_in(2) {
                return self.hold_up(writing);
            }
        }
        let operation = writing.operation;
        self.end_writing(writing);
        self.operations[operation].is_busy = false;
        self.wake_operation(operation);
    }

    fn write_once(&mut self, writing: &mut Writing) {
        let mut slices = [&[][..]; 8];
        let filled = writing.inline.transmit().slices(&mut slices);
        self.wired[writing.wired].suffered.late_write |= self.suspended_until > writing.began.as_nanos();
        writing.n = Some(self.try_write(writing.wired, &slices[..filled]).unwrap_or(0));
    }

    fn end_writing(&mut self, writing: Writing) {
        let Writing { inline, link, wired, n, began, mut wakes, .. } = writing;
        self.drop_writer(wired);
        let shared = &mut self.links[link];
        if shared.connection.inline_done(inline, n.unwrap_or(0), began) {
            wakes = wakes || shared.take_waker();
        }
        if wakes {
            self.schedule_driver(link);
        }
    }
}
