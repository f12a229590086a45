use memlink_core::{
    Ask as Head, Broken, Command, Encoder, Frame, Limits, Malformed, Protocol, Refusal, Reply, Step, Verdict,
};

/// So much of memcached's protocol as asks a server for its cluster.
///
/// ```text
///   config get cluster\r\n                   CONFIG cluster 0 <len>\r\n<len bytes>\r\nEND\r\n
///   get AmazonElastiCache:cluster\r\n        VALUE AmazonElastiCache:cluster 0 <len>\r\n<len bytes>\r\nEND\r\n
///                                            END\r\n, or an error line
/// ```
#[derive(Debug)]
pub struct Configuration;

/// A question. Newer servers know the first, all of them the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `config get cluster`.
    Config,
    /// `get AmazonElastiCache:cluster`.
    Item,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Replied {
    /// What the server knows of its cluster.
    Text(Vec<u8>),
    /// It knows of none.
    Nothing,
    /// It does not know the command.
    Unknown,
    /// It said so.
    Refused(String),
}

/// What closes an answer.
const TAIL: &[u8] = b"\r\nEND\r\n";

impl Ask {
    fn line(self) -> &'static [u8] {
        match self {
            Ask::Config => b"config get cluster\r\n",
            Ask::Item => b"get AmazonElastiCache:cluster\r\n",
        }
    }

    /// How the answer begins that has the text, up to its length.
    fn begins(self) -> &'static [u8] {
        match self {
            Ask::Config => b"CONFIG cluster ",
            Ask::Item => b"VALUE AmazonElastiCache:cluster ",
        }
    }

    /// The length of the text, where the first line says that one follows.
    fn announced(self, line: &[u8]) -> Option<Result<u64, Broken>> {
        let rest = std::str::from_utf8(line.strip_prefix(self.begins())?).unwrap_or_default();
        let numbers: Vec<_> = rest.split(' ').map(number).collect();
        Some(match numbers.as_slice() {
            // Flags, of which nothing is known, and the length. A CAS id may follow, which nobody asks for.
            [Some(_), Some(len)] => Ok(*len),
            _ => Err(Broken::Syntax("the answer has no length")),
        })
    }
}

/// Digits, and no more of them than lengths have.
fn number(digits: &str) -> Option<u64> {
    let is_number = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

impl Protocol for Configuration {
    type Expect = Ask;
    type State = ();
    type Peer = ();

    fn open(&self, (): &mut (), _: Option<&Frame>, _: &mut Encoder<'_>) -> Result<Step<Ask, ()>, Refusal> {
        Ok(Step::Ready(()))
    }

    fn frame(&self, (): &mut (), head: Option<Head<'_, Ask>>, input: &[u8], limits: &Limits) -> Verdict {
        let Some(head) = head else { return Verdict::Broken(Broken::Unsolicited) };
        let looked_at = input.get(..limits.line_len_max).unwrap_or(input);
        let Some(end) = looked_at.iter().position(|byte| *byte == b'\n') else {
            return match looked_at.len() < limits.line_len_max {
                true => Verdict::More { total: input.len() + 1 },
                false => Verdict::Broken(Broken::LineTooLong),
            };
        };
        let Some(line) = input.get(..end).and_then(|line| line.strip_suffix(b"\r")) else {
            return Verdict::Broken(Broken::Syntax("a line does not end as lines do"));
        };
        let len = match head.expect.announced(line) {
            None if is_word(line) => return Verdict::Reply { len: end + 1, tail: 0 },
            None => return Verdict::Broken(Broken::Syntax("the answer is none of a memcached")),
            Some(Err(why)) => return Verdict::Broken(why),
            Some(Ok(len)) => len,
        };
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= limits.value_len_max) else {
            return Verdict::Broken(Broken::ReplyTooLarge { len });
        };
        let total = end + 1 + len + TAIL.len();
        // What is wrong is found as soon as it is there: its end may never come.
        let tail = input.get(end + 1 + len..).unwrap_or_default();
        let tail = tail.get(..TAIL.len()).unwrap_or(tail);
        match tail {
            tail if !TAIL.starts_with(tail) => Verdict::Broken(Broken::Syntax("the answer is longer than it said")),
            TAIL => Verdict::Reply { len: total, tail: 0 },
            // Not asked for whole: what is wrong would wait for an end that never comes.
            _ => Verdict::More { total: (end + 1 + len + 1).max(input.len() + 1) },
        }
    }
}

/// Answers of one line.
fn is_word(line: &[u8]) -> bool {
    matches!(line, b"END" | b"ERROR") || line.starts_with(b"CLIENT_ERROR") || line.starts_with(b"SERVER_ERROR")
}

impl Command<Configuration> for Ask {
    type Output = Replied;

    fn size_hint(&self) -> usize {
        self.line().len()
    }

    fn encode(&self, (): &(), _: u64, out: &mut Encoder<'_>) -> Ask {
        out.put(self.line());
        *self
    }

    fn decode(&self, reply: Reply) -> Result<Replied, Malformed> {
        let Reply::One(frame) = reply else { return Err(Malformed { what: "an answer in parts" }) };
        let bytes = frame.as_slice();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let line = bytes.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(match line {
            b"END" => Replied::Nothing,
            b"ERROR" => Replied::Unknown,
            line if is_word(line) => Replied::Refused(printable(line)),
            _ => Replied::Text(
                bytes.get(end + 1..).and_then(|rest| rest.strip_suffix(TAIL)).unwrap_or_default().to_owned(),
            ),
        })
    }
}

/// The server's words, so that they can be shown.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

/// Characters of the server's words that are told.
const WORDS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(ask: Ask, input: &[u8]) -> Verdict {
        let head = Head { expect: &ask, serial: 0 };
        Configuration.frame(&mut (), Some(head), input, &Limits { value_len_max: 100, ..Limits::default() })
    }

    proptest! {
        /// However the bytes are cut: what is said of a beginning is what is said of all, or that more is needed.
        #[test]
        fn a_verdict_does_not_depend_on_how_the_bytes_come(
            begin in "(CONFIG cluster |VALUE AmazonElastiCache:cluster |END|ERROR|SERVER_ERROR |)(0 [0-9]{1,3})?\\r?\\n?",
            rest in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'E'), any::<u8>()], 0..40),
        ) {
            let input = [begin.as_bytes(), &rest].concat();
            for ask in [Ask::Config, Ask::Item] {
                let whole = (!input.is_empty()).then(|| frame(ask, &input));
                for end in 1..input.len() {
                    match frame(ask, &input[..end]) {
                        // Nothing is said before so much has come, so nothing may be known before either.
                        Verdict::More { total } => {
                            prop_assert!(total > end);
                            let early = (end + 1..total.min(input.len() + 1)).map(|end| frame(ask, &input[..end]));
                            let waits = early.into_iter().all(|verdict| matches!(verdict, Verdict::More { .. }));
            prop_assert!(waits);
                        }
                        verdict => prop_assert_eq!(Some(verdict), whole.clone()),
                    }
                }
            }
        }
    }

    #[test]
    fn a_whole_answer_is_taken_at_its_last_byte_and_no_earlier() {
        let whole = b"CONFIG cluster 0 6\r\n1\na||1\r\nEND\r\n";
        for end in 1..whole.len() {
            assert!(matches!(frame(Ask::Config, &whole[..end]), Verdict::More { .. }), "{end}");
        }
        assert_eq!(frame(Ask::Config, whole), Verdict::Reply { len: whole.len(), tail: 0 });
        let other = b"VALUE AmazonElastiCache:cluster 0 0\r\n\r\nEND\r\n";
        assert_eq!(frame(Ask::Item, other), Verdict::Reply { len: other.len(), tail: 0 });
        assert!(matches!(frame(Ask::Config, other), Verdict::Broken(_)), "it is the answer to another question");
    }
}
