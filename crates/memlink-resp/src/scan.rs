//! Where a reply ends, found without looking at any byte twice.
//!
//! ```text
//!   *3 CRLF  $5 CRLF hello CRLF  *2 CRLF  :1 CRLF  :2 CRLF  $900000 CRLF ...
//!   '---------------------- a part -----------------------' '--- a part of its own: large ---'
//!                                  ^ at: all before it is known
//!   levels: [0 replies, 1 value of 3]     how many values are still to come, outermost first
//! ```
//!
//! A reply of many values is handed over in parts that end between two values, so that neither a large value nor a long list is
//! ever held twice. Where the parts end depends on the bytes alone and not on how they were cut.

use memchr::memchr;
use memlink::generic::Verdict;
use memlink::{Broken, Limits};

use crate::line::{Announced, announced};

/// How deep values may lie in each other. Redis's own replies need less than ten; whoever reads them does so recursively.
pub(crate) const DEPTH_MAX: usize = 32;

/// A part ends with the first value behind so many bytes; longer values have parts of their own. No more than a header line may
/// have, because that is what the engine allows on top of a value.
const PART_LEN: usize = 2_048;

/// Longest line that holds a number: type, sign, eighteen digits, end, and some to spare.
const NUMBER_LEN_MAX: usize = 32;

/// Least length of any value, `_` and its end: what announces more values than could come is refused at once.
const VALUE_LEN_MIN: u64 = 3;

/// How far a reply, or a message that nobody asked for, has been looked at.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// All values before this byte are known.
    at: usize,
    /// No end of a line before this byte.
    looked: usize,
    /// Values still to come for the reply at hand, outermost level first; empty between replies.
    reply: Vec<u64>,
    /// The same for a message that nobody asked for, which stands between replies.
    push: Vec<u64>,
}

/// The next value, or the head of one that holds others.
enum Token {
    Scalar {
        end: usize,
    },
    Group {
        end: usize,
        values: u64,
    },
    /// Values that stand before the one they belong to and are none of it.
    Attributes {
        end: usize,
        values: u64,
    },
}

impl Scan {
    /// Looks on. `replies` is how many the head of the queue is owed, if anything is owed.
    pub(crate) fn frame(&mut self, replies: Option<u32>, input: &[u8], limits: &Limits) -> Verdict {
        let part_len = PART_LEN.min(limits.line_len_max);
        // Most replies: one value, and no other in it. Nothing is remembered of it but how far its line was searched.
        if replies == Some(1)
            && self.reply.is_empty()
            && self.push.is_empty()
            && let Some(kind @ (b'$' | b'+' | b':' | b'-' | b'_' | b'#' | b',')) = input.first()
        {
            return match self.token(*kind, input, limits, part_len) {
                Ok(token) => {
                    self.at = token.end();
                    self.alone(&input[..token.end()])
                }
                Err(verdict) => verdict,
            };
        }
        loop {
            let Some(&kind) = input.get(self.at) else { return Verdict::More { total: self.at + 1 } };
            if self.push.is_empty() && self.reply.len() <= 1 && kind == b'>' {
                // A message stands between two replies to one command: what is before it is handed over first.
                if self.at > 0 {
                    return self.part();
                }
                self.push.push(1);
            } else if self.push.is_empty() && self.reply.is_empty() {
                match replies {
                    None => return Verdict::Broken(Broken::Unsolicited),
                    Some(replies) => self.reply.push(u64::from(replies.max(1))),
                }
            }
            let token = match self.token(kind, input, limits, part_len) {
                Ok(token) => token,
                Err(verdict) => return verdict,
            };
            let is_top = self.reply.len() == 1 && self.push.is_empty();
            if let Err(broken) = self.count(&token, limits) {
                return Verdict::Broken(broken);
            }
            let start = std::mem::replace(&mut self.at, token.end());
            if let Some(verdict) = self.end(is_top, &input[start..self.at], part_len, limits) {
                return verdict;
            }
        }
    }

    /// What the end of a value makes of all that was looked at.
    fn end(&mut self, is_top: bool, token: &[u8], part_len: usize, limits: &Limits) -> Option<Verdict> {
        let is_push = !self.push.is_empty();
        let levels = if is_push { &mut self.push } else { &mut self.reply };
        while levels.last() == Some(&0) {
            levels.pop();
        }
        let is_whole = levels.is_empty();
        if is_push {
            if self.at > limits.value_len_max {
                return Some(Verdict::Broken(Broken::ReplyTooLarge { len: self.at as u64 }));
            }
            return is_whole.then(|| Verdict::Unasked { len: self.restart() });
        }
        match is_whole {
            true if is_top && token.len() == self.at => Some(self.alone(token)),
            true => Some(Verdict::Reply { len: self.restart(), tail: 0 }),
            false if self.at >= part_len => Some(self.part()),
            false => None,
        }
    }

    /// The end of a reply of one value that is all there is to hand over.
    fn alone(&mut self, token: &[u8]) -> Verdict {
        // The server closes after it: nothing behind it can be a reply.
        if token.starts_with(b"-ERR Protocol error") {
            let why = Broken::ServerError("an error of the protocol");
            return Verdict::Last { len: self.restart(), tail: 0, why };
        }
        // A string is taken over whole by whoever reads it, and its end is nothing to keep.
        let tail = if token.starts_with(b"$") && !token.starts_with(b"$-") { 2 } else { 0 };
        Verdict::Reply { len: self.restart(), tail }
    }

    fn part(&mut self) -> Verdict {
        Verdict::Part { len: self.restart(), tail: 0 }
    }

    /// The input begins anew behind what was looked at.
    fn restart(&mut self) -> usize {
        self.looked = 0;
        std::mem::take(&mut self.at)
    }

    fn count(&mut self, token: &Token, limits: &Limits) -> Result<(), Broken> {
        let levels = if self.push.is_empty() { &mut self.reply } else { &mut self.push };
        if let (Some(left), false) = (levels.last_mut(), matches!(token, Token::Attributes { .. })) {
            *left = left.saturating_sub(1);
        }
        let (Token::Group { values, .. } | Token::Attributes { values, .. }) = *token else { return Ok(()) };
        let len = values.saturating_mul(VALUE_LEN_MIN);
        if len > limits.unclaimed_bytes_max as u64 {
            return Err(Broken::ReplyTooLarge { len });
        }
        if levels.len() > DEPTH_MAX {
            return Err(Broken::Syntax("values lie too deep in each other"));
        }
        // One that is empty ends at once.
        levels.push(values);
        Ok(())
    }

    /// Reads the value, or the head of one, that begins at `at`; the verdict where it cannot.
    fn token(&mut self, kind: u8, input: &[u8], limits: &Limits, part_len: usize) -> Result<Token, Verdict> {
        let at = self.at;
        let is_text = match kind {
            b'+' | b'-' | b'(' => true,
            b':' | b',' | b'#' | b'_' => false,
            b'$' | b'!' | b'=' | b'*' | b'~' | b'%' | b'|' => false,
            b'>' if self.push.as_slice() == [1] => false,
            _ => return Err(Verdict::Broken(Broken::Syntax("no type begins with this byte"))),
        };
        let line_len_max = if is_text { limits.value_len_max } else { NUMBER_LEN_MAX };
        let end = self.line_end(input, line_len_max)?;
        let digits = &input[at + 1..end - 2];
        let number = || announced(digits).ok_or(Verdict::Broken(Broken::Syntax("a length is a number")));
        let group = |each: u64| match number()? {
            Announced::Len(n) => Ok(Token::Group { end, values: n.saturating_mul(each) }),
            Announced::Nothing => Ok(Token::Scalar { end }),
        };
        match kind {
            b'*' | b'~' | b'>' => group(1),
            b'%' => group(2),
            b'|' => match group(2)? {
                Token::Group { end, values } => Ok(Token::Attributes { end, values }),
                _ => Err(Verdict::Broken(Broken::Syntax("attributes cannot be nothing"))),
            },
            b'$' | b'!' | b'=' => match number()? {
                Announced::Nothing => Ok(Token::Scalar { end }),
                Announced::Len(len) => self.bulk_end(input, end, len, limits, part_len),
            },
            _ => Ok(Token::Scalar { end }),
        }
    }

    /// Where the line that begins at `at` ends, its end included.
    fn line_end(&mut self, input: &[u8], len_max: usize) -> Result<usize, Verdict> {
        let from = self.looked.max(self.at);
        let Some(found) = memchr(b'\n', &input[from..]) else {
            if input.len() - self.at > len_max {
                return Err(Verdict::Broken(Broken::LineTooLong));
            }
            self.looked = input.len();
            return Err(Verdict::More { total: input.len() + 1 });
        };
        let end = from + found + 1;
        if end - self.at > len_max {
            return Err(Verdict::Broken(Broken::LineTooLong));
        }
        if end - self.at < 3 || input[end - 2] != b'\r' {
            return Err(Verdict::Broken(Broken::Syntax("a line ends with CR and LF")));
        }
        Ok(end)
    }

    /// The end of `len` bytes that begin at `from`.
    fn bulk_end(
        &mut self,
        input: &[u8],
        from: usize,
        len: u64,
        limits: &Limits,
        part_len: usize,
    ) -> Result<Token, Verdict> {
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= limits.value_len_max) else {
            return Err(Verdict::Broken(Broken::ReplyTooLarge { len }));
        };
        // A large one is read into a buffer of its own: what is before it is handed over first.
        if len >= part_len && self.at > 0 && self.push.is_empty() {
            return Err(self.part());
        }
        let end = from.saturating_add(len).saturating_add(2);
        match input.get(end - 2..end) {
            None => Err(Verdict::More { total: end }),
            Some(b"\r\n") => Ok(Token::Scalar { end }),
            Some(_) => Err(Verdict::Broken(Broken::Syntax("a value does not end where it should"))),
        }
    }
}

impl Token {
    fn end(&self) -> usize {
        match *self {
            Token::Scalar { end } | Token::Group { end, .. } | Token::Attributes { end, .. } => end,
        }
    }
}

#[cfg(test)]
mod tests;
