//! A connection while there are faults.
//!
//! Unlike in the plain way, reading and writing go on beside each other, so that
//! replies may be late without keeping commands from being read. One turn:
//!
//! ```text
//!   look whether the faults have changed
//!   do what is due in the outbox: a cut, or nothing
//!   work off what was read, unless that has to wait
//!   wait until bytes can be written or read, a moment has come, or the faults change
//! ```

use super::{Connection, Ended, READ_BYTES, Stream, arrival};
use crate::faults::{Cut, Doom, Installed, Next, Outbox, Tap, later};
use crate::session::Step;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

/// Goes on until the connection ends, or `None` once the faults are over.
pub(super) async fn run<S: Stream>(connection: &mut Connection<S>) -> io::Result<Option<Ended>> {
    let changes = connection.open.shared.faults.board.changes();
    let left = connection.output.split();
    let session = &mut connection.open.session;
    if session.tap().is_none() {
        session.set_tap(Tap::new(session.id(), left.len() as u64));
    }
    let written = session.tap().map_or(0, |tap| tap.written());
    let mut troubled = Troubled {
        connection,
        changes,
        outbox: Outbox::new(left, written),
        step: Step::WriteOutput,
        is_over: false,
        needs_flush: false,
        frozen: None,
        idle: Vec::new(),
        idle_done: Vec::new(),
        scratch: vec![0; READ_BYTES].into_boxed_slice(),
    };
    troubled.look();
    troubled.run().await
}

struct Troubled<'a, S> {
    connection: &'a mut Connection<S>,
    changes: watch::Receiver<u64>,
    outbox: Outbox,
    /// What the session wanted last.
    step: Step,
    /// The client sends no more.
    is_over: bool,
    needs_flush: bool,
    frozen: Option<Frozen>,
    /// What happens when nothing is asked until then.
    idle: Vec<(Instant, Arc<Installed>)>,
    /// What has happened already since the last command.
    idle_done: Vec<Arc<Installed>>,
    scratch: Box<[u8]>,
}

/// Until something is thawed after this.
struct Frozen {
    by: Arc<Installed>,
    thaws: u64,
}

/// What a connection waits for.
#[derive(Default)]
struct Wishes {
    read: bool,
    write: usize,
    until: Option<Instant>,
}

enum Event {
    Read(usize),
    Wrote(usize),
    Due,
    Changed,
}

impl<S: Stream> Troubled<'_, S> {
    async fn run(&mut self) -> io::Result<Option<Ended>> {
        loop {
            if self.changes.has_changed().unwrap_or(false) {
                self.changes.mark_unchanged();
                self.look();
            }
            if self.is_untroubled() {
                return Ok(None);
            }
            let mut wishes = Wishes::default();
            let now = Instant::now();
            if !self.is_frozen() {
                match self.outbox.next(now) {
                    Next::Nothing => {}
                    Next::Write(len) => wishes.write = len,
                    Next::Wait(until) => wishes.until = Some(until),
                    Next::Cut(cut, by) => match self.cut(cut, by).await {
                        None => continue,
                        ended => return Ok(ended),
                    },
                }
                if let Some(ended) = self.ended() {
                    return Ok(Some(ended));
                }
                if self.may_work(now, &mut wishes) {
                    self.work(now);
                    continue;
                }
                if self.be_idle(now, &mut wishes) {
                    arrival::close(&mut self.connection.stream).await;
                    return Ok(Some(Ended::Closed));
                }
                wishes.read = self.step == Step::NeedInput && !self.is_over && !self.outbox.is_full();
            }
            match self.wait(wishes).await? {
                Event::Read(0) => self.is_over = true,
                Event::Read(len) => {
                    self.connection.input.extend_from_slice(self.scratch.get(..len).unwrap_or_default());
                    self.step = Step::WriteOutput;
                }
                Event::Wrote(len) => self.outbox.wrote(len, Instant::now()),
                Event::Due => {}
                Event::Changed => self.look(),
            }
        }
    }

    /// Looks at the faults anew, and whether what is frozen is to go on.
    fn look(&mut self) {
        let board = &self.connection.open.shared.faults.board;
        let snapshot = board.snapshot();
        if self.frozen.as_ref().is_some_and(|frozen| frozen.by.is_removed() || board.thaws() != frozen.thaws) {
            self.frozen = None;
            self.tap(Tap::go_on);
        }
        self.tap(|tap| tap.see(snapshot));
        self.plan_idleness();
    }

    fn tap<T>(&mut self, what: impl FnOnce(&mut Tap) -> T) -> Option<T> {
        self.connection.open.session.tap().map(what)
    }

    fn is_untroubled(&mut self) -> bool {
        let is_active = self.connection.open.shared.faults.board.is_active();
        let is_well = !is_active && !self.is_over && self.outbox.is_empty() && self.frozen.is_none();
        is_well && !self.needs_flush && !self.tap(|tap| tap.is_muted()).unwrap_or(false)
    }

    fn is_frozen(&self) -> bool {
        self.frozen.is_some() || self.connection.open.shared.faults.board.is_frozen()
    }

    /// Once everything is said: how the connection ends, if it does.
    fn ended(&self) -> Option<Ended> {
        if !self.outbox.is_empty() || self.needs_flush {
            return None;
        }
        match self.step {
            Step::Close => Some(Ended::Closed),
            Step::Shutdown { .. } => Some(Ended::Shutdown),
            Step::NeedInput if self.is_over => Some(Ended::Closed),
            Step::NeedInput | Step::WriteOutput => None,
        }
    }

    /// Whether the session may go on with what was read. If it has to wait for a
    /// certain moment, that is a wish.
    fn may_work(&mut self, now: Instant, wishes: &mut Wishes) -> bool {
        let (is_halted, busy_until) = self.tap(|tap| (tap.is_halted(), tap.busy_until())).unwrap_or_default();
        if self.step != Step::WriteOutput || is_halted || self.outbox.is_full() {
            return false;
        }
        match busy_until.filter(|until| *until > now) {
            Some(until) => {
                wishes.until = earlier(wishes.until, until);
                false
            }
            None => true,
        }
    }

    fn work(&mut self, now: Instant) {
        let connection = &mut *self.connection;
        if let Some(tap) = connection.open.session.tap() {
            tap.tick(now);
        }
        let unused = connection.input.len();
        self.step = connection.open.handle(&mut connection.input, self.outbox.bytes_mut());
        if connection.input.len() < unused {
            connection.last_command = now;
            self.idle_done.clear();
            self.plan_idleness();
        }
        if let Some(tap) = self.connection.open.session.tap() {
            self.outbox.add_marks(tap.take_marks());
            if tap.is_muted() {
                self.outbox.discard();
            }
        }
    }

    /// What happens at this byte of the stream. `Some` if the connection ends.
    async fn cut(&mut self, cut: Cut, by: Arc<Installed>) -> Option<Ended> {
        match cut {
            Cut::Freeze => {
                // If it was removed or thawed meanwhile, nobody will say so again.
                let thaws = self.connection.open.shared.faults.board.thaws();
                if by.is_removed() {
                    self.tap(Tap::go_on);
                } else {
                    self.frozen = Some(Frozen { by, thaws });
                }
                None
            }
            Cut::HalfClose => {
                // The client may be gone already; then reading will tell.
                let _ = self.connection.stream.shutdown().await;
                self.outbox.discard();
                self.tap(Tap::mute);
                self.tap(Tap::go_on);
                None
            }
            Cut::Close => {
                arrival::close(&mut self.connection.stream).await;
                Some(Ended::Closed)
            }
            Cut::Reset => {
                self.connection.stream.will_reset();
                Some(Ended::Reset)
            }
            Cut::Kill => Some(self.doom(Doom::Kill).await),
            Cut::Restart => Some(self.doom(Doom::Restart).await),
        }
    }

    /// The server dies, and this connection with it: its end is not seen before
    /// the server is gone.
    async fn doom(&mut self, doom: Doom) -> Ended {
        let faults = self.connection.open.shared.faults.clone();
        faults.board.doom(doom);
        faults.settled().await;
        // Only a stream that the server's thread does not drive comes so far.
        Ended::Reset
    }

    fn plan_idleness(&mut self) {
        let since = self.connection.last_command;
        let mut plan = self.tap(|tap| tap.idle_plan()).unwrap_or_default();
        plan.retain(|(_, by)| !self.idle_done.iter().any(|done| Arc::ptr_eq(done, by)));
        self.idle = plan.into_iter().map(|(after, by)| (later(since, after), by)).collect();
    }

    /// Does what is due because nothing was asked. True to close.
    fn be_idle(&mut self, now: Instant, wishes: &mut Wishes) -> bool {
        let patience = self.connection.idle_timeout.map(|timeout| later(self.connection.last_command, timeout));
        if patience.is_some_and(|until| until <= now) {
            self.connection.open.shared.cache().counts.idle_kicks += 1;
            return true;
        }
        if let Some(until) = patience {
            wishes.until = earlier(wishes.until, until);
        }
        let mut is_due = false;
        while let Some(index) = self.idle.iter().position(|(at, _)| *at <= now) {
            let (_, by) = self.idle.remove(index);
            let strikes = self.tap(|tap| tap.idle(&by)).flatten();
            self.idle_done.push(by);
            match strikes {
                Some(bytes) if bytes.is_empty() => return true,
                Some(bytes) => {
                    self.tap(|tap| tap.flushed_besides(bytes.len()));
                    self.outbox.bytes_mut().extend_from_slice(&bytes);
                    is_due = true;
                }
                None => {}
            }
        }
        if is_due {
            // At once, in the next turn.
            wishes.until = Some(now);
        }
        for (at, _) in &self.idle {
            wishes.until = earlier(wishes.until, *at);
        }
        false
    }

    /// Waits for the first of the wishes, or for the faults to change.
    async fn wait(&mut self, wishes: Wishes) -> io::Result<Event> {
        let connection = &mut *self.connection;
        let stream = &mut connection.stream;
        let (outbox, scratch, needs_flush) = (&self.outbox, &mut self.scratch, &mut self.needs_flush);
        let mut changed = pin!(self.changes.changed());
        let mut due = pin!(super::passed(wishes.until));
        poll_fn(|context| {
            if wishes.write > 0
                && let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(context, outbox.front(wishes.write))
            {
                *needs_flush = true;
                return Poll::Ready(written.and_then(|written| match written {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    written => Ok(Event::Wrote(written)),
                }));
            }
            // TLS keeps back what it has encrypted.
            if *needs_flush && Pin::new(&mut *stream).poll_flush(context)?.is_ready() {
                *needs_flush = false;
                return Poll::Ready(Ok(Event::Due));
            }
            if wishes.read {
                let mut into = ReadBuf::new(scratch);
                if Pin::new(&mut *stream).poll_read(context, &mut into)?.is_ready() {
                    return Poll::Ready(Ok(Event::Read(into.filled().len())));
                }
            }
            if due.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Event::Due));
            }
            changed.as_mut().poll(context).map(|_| Ok(Event::Changed))
        })
        .await
    }
}

fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}
