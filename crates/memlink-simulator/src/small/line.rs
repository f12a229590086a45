use memlink_core::{Ask, Broken, Command, Encoder, Frame, Limits, Malformed, Protocol, Refusal, Reply, Step, Verdict};

/// The smallest protocol: a line is answered by a line, and nothing confirms its place. So nothing hides a slip.
#[derive(Debug)]
pub(super) struct Line;

/// `c<n>\n`, answered by `r<n>\n`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered(pub(super) usize);

/// Bytes of a line.
pub(super) const LINE_LEN: usize = 3;

pub(super) fn line(letter: u8, n: usize) -> [u8; LINE_LEN] {
    [letter, b'0' + n as u8, b'\n']
}

impl Protocol for Line {
    type Expect = ();
    type State = ();
    type Peer = ();

    fn open(&self, (): &mut (), _: Option<&Frame>, _: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
        Ok(Step::Ready(()))
    }

    fn frame(&self, (): &mut (), ask: Option<Ask<'_, ()>>, input: &[u8], _: &Limits) -> Verdict {
        match (ask, input.iter().position(|byte| *byte == b'\n')) {
            (None, _) => Verdict::Broken(Broken::Unsolicited),
            (Some(_), Some(end)) => Verdict::Reply { len: end + 1, tail: 1 },
            (Some(_), None) => Verdict::More { total: input.len() + 1 },
        }
    }
}

impl Command<Line> for Numbered {
    type Output = ();

    fn size_hint(&self) -> usize {
        LINE_LEN
    }

    fn encode(&self, (): &(), _: u64, out: &mut Encoder<'_>) {
        out.put(&line(b'c', self.0));
    }

    fn decode(&self, reply: Reply) -> Result<(), Malformed> {
        match reply {
            Reply::One(frame) if frame.as_slice() == &line(b'r', self.0)[..2] => Ok(()),
            _ => Err(Malformed { what: "the reply of another" }),
        }
    }
}
