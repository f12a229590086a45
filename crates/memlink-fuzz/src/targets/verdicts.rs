use memlink_core::{Ask, Broken, Command, Encoder, Frame, Limits, Malformed, Protocol, Refusal, Reply, Step, Verdict};

use crate::Choices;
use crate::feed::{Cuts, Feed};

/// A protocol of somebody else's that says anything: what an engine makes of it.
///
/// ```text
///   cuts, how many commands, the steps of the opening exchange | the verdicts, and the bytes they are about
/// ```
pub fn verdicts(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut cuts = Cuts::of(choices.byte());
    let commands: Vec<Ping> = vec![Ping; choices.below(8)];
    let len = choices.below(5);
    let opening = choices.bytes(len).to_vec();
    let stream = choices.rest();
    let limits = Limits { line_len_max: 100, value_len_max: 200_000, unclaimed_bytes_max: 3_000, ..Limits::default() };
    let mut feed = Feed::new(Whim { opening }, limits);
    commands.iter().for_each(|command| feed.submit(command));
    feed.enter(&commands);
    for piece in stream.chunks(64) {
        feed.receive_in_pieces(piece, &mut cuts);
        feed.enter(&commands);
    }
    drop(feed.end());
}

#[derive(Debug)]
struct Whim {
    opening: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Ping;

impl Command<Whim> for Ping {
    type Output = usize;

    fn size_hint(&self) -> usize {
        1
    }

    fn encode(&self, (): &(), _: u64, out: &mut Encoder<'_>) {
        out.put(b"?");
    }

    fn decode(&self, reply: Reply) -> Result<usize, Malformed> {
        match reply {
            Reply::One(frame) => Ok(frame.len()),
            Reply::Many(frames) => Ok(frames.iter().map(Frame::len).sum()),
            Reply::Silence => Ok(0),
        }
    }
}

impl Protocol for Whim {
    type Expect = ();
    type State = usize;
    type Peer = ();

    fn open(&self, state: &mut usize, _: Option<&Frame>, out: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
        let step = self.opening.get(*state).copied().unwrap_or(0x10);
        *state += 1;
        if step & 1 != 0 {
            out.put(b"hello");
        }
        match step >> 4 {
            1..=8 => Ok(Step::Ready(())),
            9 => Ok(Step::Await),
            10 => Err(Refusal::Denied("no".to_owned())),
            _ => Ok(Step::Send(vec![(); usize::from(step >> 1 & 3)])),
        }
    }

    fn frame(&self, state: &mut usize, ask: Option<Ask<'_, ()>>, input: &[u8], _: &Limits) -> Verdict {
        *state += 1;
        let at = |index: usize| usize::from(input.get(index).copied().unwrap_or(0));
        let (len, tail) = (at(1), at(2) % 4);
        // Mostly what may be said of what is there.
        let len = if at(0) & 0x80 == 0 { len.min(input.len()) } else { len };
        let why = Broken::Syntax("a whim");
        match at(0) & 0x0f {
            0..=4 if ask.is_some() || at(0) & 0x40 != 0 => Verdict::Reply { len, tail },
            5 | 6 => Verdict::Part { len, tail },
            7 => Verdict::Last { len, tail, why },
            8 => Verdict::Silence,
            9 => Verdict::Unasked { len },
            10 => Verdict::More { total: len << (at(2) % 32) },
            11 => Verdict::Broken(why),
            _ => Verdict::More { total: input.len() + len },
        }
    }
}
