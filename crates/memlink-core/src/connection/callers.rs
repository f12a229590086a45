use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::{Connection, Phase};
use crate::waiters::{Place, Token, Waiters};
use crate::{Broken, Cause, Command, Failure, Outcome, Protocol, Reply, Tick, Unsupported};

/// What a caller gets for a command it has submitted.
#[derive(Debug)]
pub struct Admission {
    /// Names the command from now on.
    pub token: Token,
    /// The driver has to be woken: there is something to write, to dial or an earlier deadline.
    pub wake_driver: bool,
    /// Nothing else is on the way: the caller may write at once ([`Connection::take_inline`]). If it does not, it has to wake
    /// the driver.
    pub may_write: bool,
}

/// Why a command was not taken. Nothing was queued.
#[derive(Debug)]
pub enum Refused {
    /// The server lacks what the command needs.
    Unsupported(Unsupported),
    /// The connection does not take it.
    Failed(Failure),
}

/// What a caller finds when it looks after its command.
#[derive(Debug)]
pub enum Looked {
    /// Not ended yet. Leave a fresh waiter with [`Connection::waiter_mut`] if the old one is no longer good.
    Pending,
    /// There is room now: call [`Connection::enter`].
    Admitted,
    /// It has ended; the token is used up.
    Ended(Result<Reply, Failure>),
}

/// What a caller leaves behind, to be dropped or woken where no lock is held.
#[derive(Debug)]
#[must_use]
pub struct Abandoned<W> {
    /// Its own waiter.
    pub dropped: Option<W>,
    /// Its result, if it had come.
    pub reply: Option<Result<Reply, Failure>>,
    /// The next in line, who has room now: to be woken.
    pub woken: Option<W>,
    /// The driver has to be woken: there are too many abandoned commands, a limit on their age is due earlier than its timer, or
    /// the line begins with one who is too late.
    pub wake_driver: bool,
}

impl<P: Protocol, W> Connection<P, W> {
    /// Takes a command. If there is room it is encoded and entered in one step; if not, or while there is no connection, its
    /// caller is put in line. When `wait` is false a caller is put in line only while there is no connection, and refused when
    /// an open one has no room. `waiter` is taken out only when the command is accepted.
    ///
    /// # Errors
    ///
    /// [`Refused`]: nothing was queued, nothing will be sent.
    pub fn submit<C: Command<P>>(
        &mut self,
        command: &C,
        deadline: Tick,
        wait: bool,
        waiter: &mut Option<W>,
    ) -> Result<Admission, Refused> {
        let result = self.try_submit(command, deadline, wait, waiter);
        // Counted behind it, because a command that panics while it is encoded was never there.
        self.stats.started += 1;
        if let Err(refused) = &result {
            self.stats.failed += 1;
            if matches!(refused, Refused::Failed(Failure { cause: Cause::QueueFull, .. })) {
                self.stats.queue_full += 1;
            }
        }
        result
    }

    fn try_submit<C: Command<P>>(
        &mut self,
        command: &C,
        deadline: Tick,
        wait: bool,
        waiter: &mut Option<W>,
    ) -> Result<Admission, Refused> {
        match &self.phase {
            // Behind those who were promised room and are about to come, too: order is kept.
            Phase::Open
                if self.waiters.waiting() == 0 && self.reserved == 0 && self.has_room_for(command.size_hint()) =>
            {
                self.check(command)?;
                let token = self.encode(command, |waiters| {
                    Some(waiters.insert_in_flight(waiter.take()?, deadline, command.may_run_in_part()))
                })?;
                Ok(self.admission(token, deadline))
            }
            Phase::Open | Phase::Idle | Phase::Dialling | Phase::Opening => {
                if !wait && self.phase == Phase::Open
                    || self.waiters.waiting() + self.stranded >= self.limits.waiting_max
                {
                    return Err(not_sent(Cause::QueueFull));
                }
                let Some(waiter) = waiter.take() else { return Err(nothing_to_take()) };
                let token = self.waiters.insert_waiting(waiter, command.size_hint(), deadline);
                self.stats.waited += 1;
                Ok(self.in_line(token, deadline))
            }
            Phase::Suspended(cause) | Phase::Down(cause) | Phase::Reopening(cause) => Err(not_sent(cause.clone())),
            Phase::Draining | Phase::Shutdown => Err(not_sent(Cause::Shutdown)),
        }
    }

    fn check<C: Command<P>>(&self, command: &C) -> Result<(), Refused> {
        match &self.peer {
            Some(peer) => command.check(peer).map_err(Refused::Unsupported),
            None => Err(not_sent(Cause::Closed(Broken::DriverGone))),
        }
    }

    /// Writes the command and enters it, in one step: either both happen or nothing does.
    #[inline]
    fn encode<C: Command<P>>(
        &mut self,
        command: &C,
        enter: impl FnOnce(&mut Waiters<W>) -> Option<Token>,
    ) -> Result<Token, Refused> {
        let Some(peer) = &self.peer else { return Err(nothing_to_take()) };
        let (serial, waiters) = (self.serial, &mut self.waiters);
        let pushed = self.outgoing.push(serial, |out| command.encode(peer, serial, out), || enter(waiters));
        let token = pushed.ok_or_else(nothing_to_take)?;
        self.serial += 1;
        self.in_flight += 1;
        Ok(token)
    }

    #[inline]
    fn admission(&mut self, token: Token, deadline: Tick) -> Admission {
        let is_idle = self.in_flight == 1 && !self.is_writing_inline && !self.driver_writes();
        let may_write = self.may_write_inline && is_idle && !self.is_driver_notified;
        // Whoever writes inline looks for what has gathered when it is done.
        let wake_driver = !may_write && !self.is_writing_inline && self.notify_driver();
        let wake_driver = wake_driver || (deadline < self.driver_armed && self.notify_driver());
        Admission { token, wake_driver, may_write }
    }

    fn in_line(&mut self, token: Token, deadline: Tick) -> Admission {
        let is_first_behind_promises = self.reserved > 0 && self.promises_at == Tick::NEVER;
        let wake_driver = self.phase == Phase::Idle || deadline < self.driver_armed || is_first_behind_promises;
        Admission { token, wake_driver: wake_driver && self.notify_driver(), may_write: false }
    }

    /// Says how a command stands, and gives its result.
    #[inline]
    pub fn poll(&mut self, token: Token) -> Looked {
        if let Some(result) = self.waiters.take_result(token) {
            if let Ok(reply) = &result {
                self.unclaimed -= reply.heap_len();
            }
            return Looked::Ended(result);
        }
        match self.waiters.place_mut(token) {
            Some(Place::Admitted { .. }) => Looked::Admitted,
            Some(Place::Waiting { .. } | Place::InFlight { .. }) => Looked::Pending,
            // A token that names nothing: the caller has been told already.
            Some(Place::Vacant | Place::Ended(_)) | None => {
                Looked::Ended(Err(Failure { outcome: Outcome::Unknown, cause: Cause::Closed(Broken::DriverGone) }))
            }
        }
    }

    /// Whether it stands in line, or was let in and has not come: nothing of it is encoded, and whoever is submitted now may come before
    /// it.
    pub fn is_in_line(&mut self, token: Token) -> bool {
        matches!(self.waiters.place_mut(token), Some(Place::Waiting { .. } | Place::Admitted { .. }))
    }

    /// Uses the room that was promised to a waiting command: encodes and enters it. When the promise no longer holds because
    /// the connection was lost in between, the caller is in line again, where it was before.
    ///
    /// For a command that is not [admitted](Looked::Admitted) nothing happens, and `waiter` is left where it is.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the server that was reached meanwhile cannot take the command; the token is used up.
    pub fn enter<C: Command<P>>(
        &mut self,
        token: Token,
        command: &C,
        deadline: Tick,
        waiter: &mut Option<W>,
        woken: &mut Vec<W>,
    ) -> Result<Admission, Refused> {
        let nothing = Admission { token, wake_driver: false, may_write: false };
        let Some(Place::Admitted { life, turn, .. }) = self.waiters.place_mut(token) else { return Ok(nothing) };
        let (is_promised, len) = (*life == self.life, turn.len);
        if !is_promised {
            let Some(waiter) = waiter.take() else { return Ok(nothing) };
            self.waiters.wait_again(token, waiter);
            self.stranded -= 1;
            self.admit(woken);
            return Ok(self.in_line(token, deadline));
        }
        if waiter.is_none() {
            return Ok(nothing);
        }
        let entered = self.check(command).and_then(|()| {
            self.encode(command, |waiters| {
                waiters.enter(token, waiter.take()?, command.may_run_in_part());
                Some(token)
            })
        });
        // Not before: a command that panics while it is encoded leaves its promise to be given back by its caller.
        self.release(len);
        if let Err(refused) = entered {
            self.waiters.remove(token);
            self.stats.failed += 1;
            self.admit(woken);
            return Err(refused);
        }
        Ok(self.admission(token, deadline))
    }

    /// Where the waiter of a command that has not ended lies, to be exchanged for a fresh one.
    pub fn waiter_mut(&mut self, token: Token) -> Option<&mut W> {
        match self.waiters.place_mut(token) {
            Some(Place::Waiting { waiter, .. } | Place::InFlight { waiter, .. }) => Some(waiter),
            _ => None,
        }
    }

    /// The caller is gone. A command of which nothing was taken for writing will not be sent; any other stays in the order,
    /// abandoned, until its reply has come. Hands back what has to be dropped or woken where no lock is held.
    pub fn abandon(&mut self, now: Tick, token: Token) -> Abandoned<W> {
        let mut gone = Abandoned { dropped: None, reply: None, woken: None, wake_driver: false };
        match self.waiters.remove(token) {
            Some(Place::InFlight { waiter, span }) => {
                gone.dropped = Some(waiter);
                self.stats.cancelled += 1;
                if !span.is_queued() {
                    self.stats.abandoned += 1;
                    self.left_at.push_back(now);
                    let is_due = self.has_too_many_abandoned() || self.abandoned_until() < self.driver_armed;
                    gone.wake_driver = is_due && self.notify_driver();
                }
            }
            Some(Place::Waiting { waiter, .. }) => {
                gone.dropped = Some(waiter);
                self.stats.cancelled += 1;
                // It may have been the first, and too large for the room there is.
                (gone.woken, gone.wake_driver) = self.admit_one(now);
            }
            Some(Place::Admitted { life, turn, .. }) => {
                self.stats.cancelled += 1;
                if life == self.life {
                    self.release(turn.len);
                    (gone.woken, gone.wake_driver) = self.admit_one(now);
                } else {
                    self.stranded -= 1;
                }
            }
            Some(Place::Ended(result)) => {
                if let Ok(reply) = &result {
                    self.unclaimed -= reply.heap_len();
                }
                gone.reply = Some(result);
            }
            Some(Place::Vacant) | None => {}
        }
        gone
    }
}

fn not_sent(cause: Cause) -> Refused {
    Refused::Failed(Failure { outcome: Outcome::NotSent, cause })
}

/// The caller made a mistake: it gave no waiter, or a command without bytes, which could never be answered.
fn nothing_to_take() -> Refused {
    Refused::Unsupported(Unsupported { what: "a command that writes no bytes, or has no waiter".to_owned() })
}
