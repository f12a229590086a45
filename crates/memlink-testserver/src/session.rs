//! One connection's side of the conversation, without its socket.
//!
//! ```text
//!            line            value whole
//!   Line -----------> Value -------------> Line
//!     |  error          \___ (no reply is written while a value is awaited)
//!     +-----------> Swallow -------------> Line
//!     |  long get                  keys used up
//!     +-----------> Get ----------------> Line
//! ```
//!
//! memcached gathers replies and writes them when its input is used up, after
//! some twenty commands, or at `mn`. That can be seen from outside: replies wait
//! while a value is incomplete, and an item that an unwritten reply refers to is
//! not changed in place. So the session keeps replies to itself until memcached
//! would write them, and only then adds them to the output.

use crate::cache::Cache;
use crate::execute::{self, AuthLine, Context, GetProgress, Pending, Then};
use crate::faults::{Tap, Verdict};
use crate::limits::{COMMANDS_PER_WRITE, GET_LINE_LEN_MAX, LINE_LEN_MAX, REPLY_BYTES_HIGH};
use crate::parse::{self, Refusal, Request};
use crate::store::Held;
use bytes::{Buf, BytesMut};
use std::time::Duration;

/// A conversation with one client: bytes in, bytes out, no socket and no clock.
///
/// ```
/// use bytes::BytesMut;
/// use memlink_testserver::{Cache, Session, Settings, Step};
/// use std::time::Duration;
///
/// let now = Duration::from_secs(1_700_000_000);
/// let mut cache = Cache::new(Settings::default(), now);
/// let mut session = Session::new(&mut cache);
/// let mut input = BytesMut::from("ms k 2 c\r\nhi\r\nmg k v\r\nmg");
/// let mut output = BytesMut::new();
/// let step = session.handle(&mut cache, now, &mut input, &mut output);
/// assert_eq!(output, "HD c2\r\nVA 2\r\nhi\r\n");
/// assert_eq!(input, "mg"); // The rest of this line has not come yet.
/// assert_eq!(step, Step::NeedInput);
/// ```
#[derive(Debug)]
pub struct Session {
    id: u64,
    state: State,
    authenticated: bool,
    replies: BytesMut,
    held: Vec<Held>,
    left_cas: u64,
    commands_left: u32,
    /// The value or what is swallowed came in more than one read.
    in_pieces: bool,
    /// Decides what goes wrong, where anything is to.
    tap: Option<Box<Tap>>,
}

/// What a session asks of whoever drives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Write the output, then read more input.
    NeedInput,
    /// Write the output, then call again: the input is not used up.
    WriteOutput,
    /// Write the output, then close the connection. The session is over.
    Close,
    /// As [`Step::Close`], and a client has told the whole server to stop.
    Shutdown {
        /// Whether open connections may finish first.
        graceful: bool,
    },
}

#[derive(Debug)]
enum State {
    Line,
    Value(Box<Pending>),
    Swallow(usize),
    Get(GetProgress),
    AuthPayload(usize),
    Over,
}

impl Session {
    /// Begins a conversation about `cache`.
    pub fn new(cache: &mut Cache) -> Session {
        Session {
            id: cache.begin_session(),
            state: State::Line,
            authenticated: cache.settings.users.is_empty(),
            replies: BytesMut::new(),
            held: Vec::new(),
            left_cas: 0,
            commands_left: COMMANDS_PER_WRITE,
            in_pieces: false,
            tap: None,
        }
    }

    /// The number by which [`Executed`](crate::Executed) names this session.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn tap(&mut self) -> Option<&mut Tap> {
        self.tap.as_deref_mut()
    }

    pub(crate) fn set_tap(&mut self, tap: Tap) {
        self.tap = Some(Box::new(tap));
    }

    /// Works off `input`, which holds what was received and not yet used, and
    /// appends to `output` what is to be written. `now` is Unix time. Call it
    /// whenever input has come, and as the returned [`Step`] asks.
    ///
    /// How the bytes are cut into calls does not change the replies, but for two
    /// things that are so in memcached too: a line of more than 2048 bytes is
    /// accepted if it arrives whole, and ends the session if it does not; and a
    /// counter that was fetched in the same call is not changed in place.
    pub fn handle(&mut self, cache: &mut Cache, now: Duration, input: &mut BytesMut, output: &mut BytesMut) -> Step {
        let unused_before = input.len();
        let output_before = output.len();
        self.commands_left = COMMANDS_PER_WRITE;
        let step = loop {
            if let Some(step) = self.advance(cache, now, input, output) {
                break step;
            }
            if self.tap.as_ref().is_some_and(|tap| tap.is_halted()) {
                self.flush(cache, output);
                break Step::WriteOutput;
            }
        };
        cache.counts.bytes_read += unused_before.saturating_sub(input.len()) as u64;
        cache.counts.bytes_written += (output.len() - output_before) as u64;
        step
    }

    /// Ends the conversation from outside. Replies not yet written are dropped.
    pub fn end(&mut self, cache: &mut Cache) {
        self.release(cache);
        self.replies.clear();
        self.state = State::Over;
    }

    /// One state's worth of work; `None` to go on.
    fn advance(
        &mut self,
        cache: &mut Cache,
        now: Duration,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Option<Step> {
        match std::mem::replace(&mut self.state, State::Line) {
            State::Line => self.line(cache, now, input, output),
            State::Value(mut pending) => {
                if !pending.take(input) {
                    self.state = State::Value(pending);
                    self.in_pieces = true;
                    return Some(Step::NeedInput);
                }
                pending.finish(&mut self.context(cache, now));
                self.answered(cache);
                self.value_done(cache, input, output)
            }
            State::Swallow(len) => {
                let swallowed = len.min(input.len());
                input.advance(swallowed);
                if swallowed < len {
                    self.state = State::Swallow(len - swallowed);
                    self.in_pieces = true;
                    return Some(Step::NeedInput);
                }
                self.answered(cache);
                self.value_done(cache, input, output)
            }
            State::Get(progress) => {
                let then = progress.proceed(&mut self.context(cache, now));
                self.follow(then, cache, input, output)
            }
            State::AuthPayload(len) => self.auth_payload(len, cache, input, output),
            State::Over => {
                self.state = State::Over;
                Some(Step::Close)
            }
        }
    }

    fn line(&mut self, cache: &mut Cache, now: Duration, input: &mut BytesMut, output: &mut BytesMut) -> Option<Step> {
        let enough = self.authenticated || input.len() >= execute::auth_bytes_min(cache);
        let end = input.iter().position(|byte| *byte == b'\n').filter(|_| enough);
        let Some(end) = end else {
            return Some(self.no_line_yet(cache, input, output));
        };
        let line = input.split_to(end + 1);
        if !self.authenticated {
            return self.auth_line(&line, cache, input, output);
        }
        match parse::parse(cache.settings.version, &line) {
            Ok(request) => {
                let then = match self.tap {
                    None => execute::execute(&mut self.context(cache, now), &request),
                    Some(_) => self.execute_if_let(cache, now, &request),
                };
                self.follow(then, cache, input, output)
            }
            Err(Refusal::Answer(text)) => {
                self.reply(text);
                self.command_done(cache, input, output)
            }
            Err(Refusal::Silent) => self.command_done(cache, input, output),
            Err(Refusal::Close) => Some(self.close_at_once(cache)),
        }
    }

    fn no_line_yet(&mut self, cache: &mut Cache, input: &BytesMut, output: &mut BytesMut) -> Step {
        let may_grow = self.authenticated && input.len() <= GET_LINE_LEN_MAX && parse::may_be_long(input);
        if input.len() > LINE_LEN_MAX && !may_grow {
            return self.close_at_once(cache);
        }
        self.flush(cache, output);
        Step::NeedInput
    }

    fn follow(&mut self, then: Then, cache: &mut Cache, input: &mut BytesMut, output: &mut BytesMut) -> Option<Step> {
        match then {
            Then::Done => {
                self.answered(cache);
                return self.command_done(cache, input, output);
            }
            Then::Flush => {
                self.answered(cache);
                self.flush(cache, output);
                return self.command_done(cache, input, output);
            }
            Then::Value(pending) => self.state = State::Value(Box::new(pending)),
            Then::Swallow(len) => self.state = State::Swallow(len),
            Then::Get(progress) => {
                self.flush(cache, output);
                self.state = State::Get(progress);
                return Some(Step::WriteOutput);
            }
            Then::Quit => {
                self.flush(cache, output);
                self.state = State::Over;
                return Some(Step::Close);
            }
            Then::Shutdown { graceful } => {
                self.end(cache);
                return Some(Step::Shutdown { graceful });
            }
        }
        None
    }

    /// Executes a command if the faults let it.
    #[cold]
    fn execute_if_let(&mut self, cache: &mut Cache, now: Duration, request: &Request<'_>) -> Then {
        cache.forget_latest();
        let verdict = match &mut self.tap {
            Some(tap) if !request.verb.ends_the_connection() => {
                tap.before(request.tokens.at(0), request.key, request.noreply, self.replies.len())
            }
            _ => Verdict::Execute,
        };
        match verdict {
            Verdict::Execute => execute::execute(&mut self.context(cache, now), request),
            Verdict::Lose => execute::skip(request),
            Verdict::Answer(line) => {
                self.replies.extend_from_slice(&line);
                execute::skip(request)
            }
        }
    }

    /// A command is done, and its reply, if it has one, is the last of those kept.
    fn answered(&mut self, cache: &mut Cache) {
        if let Some(tap) = &mut self.tap
            && tap.after(&mut self.replies)
        {
            cache.note_swallowed(self.id);
        }
    }

    /// Counts a command, and writes when it is time to.
    fn command_done(&mut self, cache: &mut Cache, input: &BytesMut, output: &mut BytesMut) -> Option<Step> {
        match self.commands_left.checked_sub(1) {
            Some(left) => self.commands_left = left,
            None => {
                self.flush(cache, output);
                self.commands_left = COMMANDS_PER_WRITE - 1;
            }
        }
        if self.replies.len() > REPLY_BYTES_HIGH {
            self.flush(cache, output);
        }
        if input.is_empty() {
            self.flush(cache, output);
            return Some(Step::NeedInput);
        }
        (output.len() > REPLY_BYTES_HIGH).then_some(Step::WriteOutput)
    }

    /// The rest of a value is read from the socket by itself, so at its end
    /// memcached has nothing buffered: it writes, and begins a new round.
    fn value_done(&mut self, cache: &mut Cache, input: &BytesMut, output: &mut BytesMut) -> Option<Step> {
        if std::mem::take(&mut self.in_pieces) {
            self.flush(cache, output);
            self.commands_left = COMMANDS_PER_WRITE + 1;
        }
        self.command_done(cache, input, output)
    }

    fn auth_line(&mut self, line: &[u8], cache: &mut Cache, input: &BytesMut, output: &mut BytesMut) -> Option<Step> {
        match execute::read_auth_line(cache, line) {
            AuthLine::Payload(len) => {
                self.state = State::AuthPayload(len);
                None
            }
            AuthLine::Refused(text) => {
                self.reply_before_auth(text);
                self.command_done(cache, input, output)
            }
            AuthLine::Close => Some(self.close_at_once(cache)),
        }
    }

    fn auth_payload(
        &mut self,
        len: usize,
        cache: &mut Cache,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Option<Step> {
        if input.len() < len {
            self.state = State::AuthPayload(len);
            self.flush(cache, output);
            return Some(Step::NeedInput);
        }
        let payload = input.split_to(len);
        let checked = execute::check_auth(cache, &payload);
        self.authenticated = checked.is_ok();
        self.reply_before_auth(checked.unwrap_or_else(|text| text));
        self.command_done(cache, input, output)
    }

    /// As memcached does it: replies that were not written yet are lost.
    fn close_at_once(&mut self, cache: &mut Cache) -> Step {
        self.end(cache);
        Step::Close
    }

    fn context<'a>(&'a mut self, cache: &'a mut Cache, now: Duration) -> Context<'a> {
        let moment = cache.moment(now);
        Context {
            cache,
            moment,
            session: self.id,
            replies: &mut self.replies,
            held: &mut self.held,
            left_cas: &mut self.left_cas,
        }
    }

    fn reply(&mut self, text: &str) {
        self.replies.extend_from_slice(text.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    /// Up to and with the success, each reply takes the place of one that was
    /// not written yet: several failures in one piece are answered as one.
    fn reply_before_auth(&mut self, text: &str) {
        self.replies.clear();
        self.reply(text);
    }

    fn flush(&mut self, cache: &mut Cache, output: &mut BytesMut) {
        self.release(cache);
        output.extend_from_slice(&self.replies);
        if let Some(tap) = &mut self.tap {
            tap.flushed(self.replies.len());
        }
        self.replies.clear();
    }

    fn release(&mut self, cache: &mut Cache) {
        for held in self.held.drain(..) {
            cache.store.release(&held);
        }
    }
}
