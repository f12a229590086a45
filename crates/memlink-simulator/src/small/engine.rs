use std::collections::VecDeque;
use std::sync::Arc;

use memlink_core::{
    Admission, Broken, Command as _, Connection, Failure, Framed, Incoming, Inline, Limits, Looked, Mutant, Outcome,
    Refused, Tick, Token, Transmit,
};

use super::line::{LINE_LEN, Line, Numbered, line};
use super::{Leaves, Scope};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The next caller comes; if it may write by itself it takes what is queued, and has not written yet.
    Submit,
    /// Whoever was woken looks.
    Look,
    /// The caller that writes by itself has written so many bytes, and is back.
    WriteInline(usize),
    /// The driver takes what has gathered, and writes so many bytes.
    Write(usize),
    /// So many bytes of replies come.
    Deliver(usize),
    /// The leaver leaves, or its time is over.
    Leave,
    /// The stream ends, for good.
    EndOfStream,
}

/// A connection, a server that answers at once, and callers, each step of which is an action.
pub(super) struct Engine {
    scope: Scope,
    connection: Connection<Line, usize>,
    incoming: Incoming<Line>,
    transmit: Transmit<()>,
    inline: Option<Inline<()>>,
    now: Tick,
    /// Commands as the server got them, and replies on their way back.
    received: Vec<u8>,
    replies: VecDeque<u8>,
    callers: Vec<Caller>,
    woken: Vec<usize>,
    /// Pieces that may still be made.
    pieces: usize,
    /// An inline write has left something that the driver has to finish.
    is_left_over: bool,
    has_left: bool,
    has_ended: bool,
    wrong: Option<String>,
    history: Vec<Action>,
}

#[derive(Debug, Clone, Copy)]
struct Caller {
    token: Option<Token>,
    is_woken: bool,
    ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Replied,
    Failed(Outcome),
    Left,
}

/// When the leaver's time is over.
const DEADLINE: Tick = Tick::from_nanos(10);

impl Engine {
    pub(super) fn new(scope: Scope, mutant: Option<Mutant>) -> Engine {
        let limits = Arc::new(Limits { in_flight_max: scope.room, ..Limits::default() });
        let protocol = Arc::new(Line);
        let mut connection = Connection::new(protocol.clone(), limits.clone());
        if let Some(mutant) = mutant {
            connection.mutate(mutant);
        }
        let mut incoming = Incoming::new(protocol, limits, Tick::ZERO);
        let opened = connection.opened(Tick::ZERO, scope.inline, &mut incoming, &mut Vec::new());
        Engine {
            scope,
            connection,
            incoming,
            transmit: Transmit::default(),
            inline: None,
            now: Tick::ZERO,
            received: Vec::new(),
            replies: VecDeque::new(),
            callers: Vec::new(),
            woken: Vec::new(),
            pieces: scope.pieces,
            is_left_over: false,
            has_left: false,
            has_ended: false,
            wrong: opened.err().map(|why| why.to_string()),
            history: Vec::new(),
        }
    }

    pub(super) fn history(&self) -> &[Action] {
        &self.history
    }

    /// What can happen now. Nothing is left to happen when all is written, answered and looked at.
    pub(super) fn choices(&self, choices: &mut Vec<Action>) {
        if self.wrong.is_some() {
            return;
        }
        if self.callers.len() < self.scope.commands {
            choices.push(Action::Submit);
        }
        if self.callers.iter().any(|caller| caller.is_woken && caller.token.is_some()) {
            choices.push(Action::Look);
        }
        if let Some(inline) = &self.inline {
            self.pieces_of(inline.transmit().remaining(), Action::WriteInline, choices);
        } else if !self.transmit.is_done() || self.connection.queued_bytes() > 0 || self.is_left_over {
            self.pieces_of(self.transmit.remaining().max(LINE_LEN), Action::Write, choices);
        }
        if !self.replies.is_empty() {
            self.pieces_of(self.replies.len(), Action::Deliver, choices);
        }
        let leaver = self.scope.leaver.and_then(|(n, _)| self.callers.get(n));
        if leaver.is_some_and(|caller| caller.token.is_some()) && !self.has_left {
            choices.push(Action::Leave);
        }
        if !choices.is_empty() {
            choices.push(Action::EndOfStream);
        }
    }

    /// All of it, and as long as pieces may be made, all but a part of the last line, and the first byte.
    fn pieces_of(&self, len: usize, action: fn(usize) -> Action, choices: &mut Vec<Action>) {
        choices.push(action(usize::MAX));
        if self.pieces > 0 && len > 1 {
            choices.push(action(1));
            if len > 2 {
                choices.push(action(len - 1));
            }
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        self.history.push(action);
        match action {
            Action::Submit => self.submit(),
            Action::Look => self.look(),
            Action::WriteInline(n) => self.write_inline(n),
            Action::Write(n) => self.write(n),
            Action::Deliver(n) => self.deliver(n),
            Action::Leave => self.leave(),
            Action::EndOfStream => self.end(&Broken::EndOfStream),
        }
        for n in std::mem::take(&mut self.woken) {
            self.callers[n].is_woken = true;
        }
    }

    fn submit(&mut self) {
        let n = self.callers.len();
        let is_late = self.scope.leaver == Some((n, Leaves::Late));
        let deadline = if is_late { DEADLINE } else { Tick::NEVER };
        self.callers.push(Caller { token: None, is_woken: false, ended: None });
        let admitted = self.connection.submit(&Numbered(n), deadline, true, &mut Some(n));
        self.follow(n, admitted);
    }

    fn follow(&mut self, n: usize, admitted: Result<Admission, Refused>) {
        match admitted {
            Ok(admission) => {
                self.callers[n].token = Some(admission.token);
                if admission.may_write && self.inline.is_none() {
                    self.inline = self.connection.take_inline(self.now);
                }
            }
            Err(refused) => self.wrong = Some(format!("{n} is refused: {refused:?}")),
        }
    }

    fn look(&mut self) {
        for n in 0..self.callers.len() {
            let Some(token) = self.callers[n].token.filter(|_| std::mem::take(&mut self.callers[n].is_woken)) else {
                continue;
            };
            match self.connection.poll(token) {
                Looked::Pending => {}
                Looked::Admitted => {
                    let is_late = self.scope.leaver == Some((n, Leaves::Late));
                    let deadline = if is_late { DEADLINE } else { Tick::NEVER };
                    let (waiter, woken) = (&mut Some(n), &mut self.woken);
                    let entered = self.connection.enter(token, &Numbered(n), deadline, waiter, woken);
                    self.follow(n, entered);
                }
                Looked::Ended(Ok(reply)) => match Numbered(n).decode(reply) {
                    Ok(()) => self.end_caller(n, Ended::Replied),
                    Err(malformed) => self.wrong = Some(format!("{n} gets {}", malformed.what)),
                },
                Looked::Ended(Err(Failure { outcome, .. })) => self.end_caller(n, Ended::Failed(outcome)),
            }
        }
    }

    fn end_caller(&mut self, n: usize, ended: Ended) {
        self.callers[n].token = None;
        if let Some(before) = self.callers[n].ended.replace(ended) {
            self.wrong = Some(format!("{n} ends as {before:?} and as {ended:?}"));
        }
    }

    fn note_piece(&mut self, n: usize) {
        self.pieces -= usize::from(n != usize::MAX);
    }

    fn write_inline(&mut self, n: usize) {
        self.note_piece(n);
        let Some(inline) = self.inline.take() else { return };
        let n = n.min(inline.transmit().remaining());
        let bytes = inline.transmit().first()[..n].to_vec();
        self.is_left_over = n < inline.transmit().remaining();
        self.send(&bytes);
        let _ = self.connection.inline_done(inline, n, self.now);
    }

    fn write(&mut self, n: usize) {
        self.note_piece(n);
        self.connection.poll_sent(&mut self.incoming);
        self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        self.transmit.drop_cut();
        self.is_left_over = false;
        let n = n.min(self.transmit.remaining());
        let bytes = self.transmit.first()[..n].to_vec();
        self.send(&bytes);
        self.incoming.handle_written(self.now, &mut self.transmit, n);
    }

    /// The server answers every whole line.
    fn send(&mut self, bytes: &[u8]) {
        if self.has_ended {
            return;
        }
        for byte in bytes {
            self.received.push(*byte);
            if *byte == b'\n' {
                let n = usize::from(self.received[self.received.len() - 2] - b'0');
                self.replies.extend(line(b'r', n));
            }
        }
    }

    fn deliver(&mut self, n: usize) {
        self.note_piece(n);
        let n = n.min(self.replies.len());
        let bytes: Vec<u8> = self.replies.drain(..n).collect();
        self.incoming.handle_bytes(self.now, &bytes);
        loop {
            if self.incoming.needs_pending() {
                self.connection.poll_sent(&mut self.incoming);
            }
            let framed = self.incoming.poll_replies();
            let handled = self.connection.handle_replies(self.now, &mut self.incoming, &mut self.woken);
            match handled.and(framed) {
                Ok(Framed::NeedInput) => return,
                Ok(Framed::NeedPending | Framed::Budget) => {}
                Err(why) => {
                    self.wrong = Some(format!("the connection breaks: {why}"));
                    return;
                }
            }
        }
    }

    fn leave(&mut self) {
        self.has_left = true;
        let Some((n, way)) = self.scope.leaver else { return };
        match (way, self.callers[n].token) {
            (Leaves::Late, _) => {
                self.now = DEADLINE;
                self.connection.poll_sent(&mut self.incoming);
                let ended = self.connection.handle_timeout(self.now, &mut self.transmit, &mut self.woken);
                self.transmit.drop_cut();
                self.wrong = self.wrong.take().or(ended.err().map(|why| why.to_string()));
            }
            (Leaves::Cancelled, Some(token)) => {
                let gone = self.connection.abandon(self.now, token);
                self.woken.extend(gone.woken);
                self.end_caller(n, Ended::Left);
            }
            (Leaves::Cancelled, None) => {}
        }
    }

    /// The stream ends, and everybody is told.
    fn end(&mut self, why: &Broken) {
        self.has_ended = true;
        drop(self.connection.shutdown(why, &mut self.transmit, &mut self.woken));
        for n in std::mem::take(&mut self.woken) {
            self.callers[n].is_woken = true;
        }
        // Whoever was in the middle of a write comes back later.
        if let Some(inline) = self.inline.take() {
            let _ = self.connection.inline_done(inline, 0, self.now);
        }
        self.look();
    }

    /// Nothing is left to happen: the connection is as if nothing had happened.
    pub(super) fn come_to_rest(&mut self) {
        let stats = self.connection.stats();
        if (stats.in_flight, stats.waiting, stats.abandoned_now) != (0, 0, 0) && self.wrong.is_none() {
            self.wrong = Some(format!("not at rest: {stats:?}"));
        }
        for n in 0..self.callers.len() {
            let is_leaver = self.scope.leaver.is_some_and(|(leaver, _)| leaver == n);
            if self.callers[n].ended != Some(Ended::Replied) && !is_leaver && self.wrong.is_none() {
                self.wrong = Some(format!("{n} is harmed: {:?}", self.callers[n]));
            }
        }
        self.end(&Broken::Shutdown);
    }

    /// What must hold at the end of every order.
    pub(super) fn judge(&self) -> Result<(), String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let has_got = |n: usize| self.received.windows(LINE_LEN).any(|window| window == line(b'c', n));
        for (n, caller) in self.callers.iter().enumerate() {
            match caller.ended {
                None => return Err(format!("{n} never ends")),
                Some(Ended::Failed(Outcome::NotSent)) if has_got(n) => return Err(format!("{n} was sent, not")),
                Some(Ended::Replied) if !has_got(n) => return Err(format!("{n} has a reply to nothing")),
                Some(_) => {}
            }
        }
        let lines = self.received.chunks_exact(LINE_LEN);
        if lines.clone().any(|line| line[0] != b'c' || line[2] != b'\n') {
            return Err(format!("the server got {:?}", self.received.escape_ascii().to_string()));
        }
        let mut got: Vec<&[u8]> = lines.collect();
        got.sort_unstable();
        if got.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a command was sent twice".to_owned());
        }
        let stats = self.connection.stats();
        match stats.started == stats.replied + stats.failed + stats.cancelled {
            true => Ok(()),
            false => Err(format!("the counts do not agree: {stats:?}")),
        }
    }
}
