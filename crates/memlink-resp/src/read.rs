//! The parts of a reply into values, in the task of whoever asked.

use bytes::Bytes;
use memlink::generic::{Frame, Malformed, Reply};

use crate::line::{Announced, announced, first};
use crate::scan::DEPTH_MAX;
use crate::{ServerError, Value};

/// The values of one reply, or of the replies to many commands that were sent as one.
pub(crate) struct Reader {
    parts: std::vec::IntoIter<Frame>,
    part: Bytes,
    at: usize,
}

/// Room that an announced length buys before its values have been seen.
const ROOM_MAX: u64 = 1_024;

const TORN: Malformed = Malformed { what: "a reply ends in the middle of a value" };

/// The one value of a reply.
pub(crate) fn read(reply: Reply) -> Result<Value, Malformed> {
    match reply {
        Reply::One(frame) => match scalar(frame)? {
            Ok(value) => Ok(value),
            Err(frame) => Reader::new(Reply::One(frame)).value(),
        },
        reply => Reader::new(reply).value(),
    }
}

/// The usual reply: one value without others in it, whose bytes are taken over and not copied. The frame itself when it is another.
fn scalar(frame: Frame) -> Result<Result<Value, Frame>, Malformed> {
    let bytes = frame.as_slice();
    let (line, body) = first(bytes).ok_or(TORN)?;
    let (kind, text) = line.split_first().ok_or(TORN)?;
    Ok(match kind {
        b'$' => match announced(text) {
            Some(Announced::Len(len)) => {
                let len = usize::try_from(len).map_err(|_| TORN)?;
                let mut bytes = frame.into_bytes_from(body);
                if bytes.len() < len {
                    return Err(TORN);
                }
                // Framing has cut its end off. Where it has not, this costs an allocation.
                if bytes.len() > len {
                    bytes.truncate(len);
                }
                Ok(Value::Bulk(bytes))
            }
            Some(Announced::Nothing) => Ok(Value::Null),
            None => return Err(TORN),
        },
        b':' | b'+' | b'-' | b'_' | b',' | b'#' | b'(' => Ok(of_line(*kind, text, Bytes::copy_from_slice)?),
        _ => Err(frame),
    })
}

impl Reader {
    pub(crate) fn new(reply: Reply) -> Reader {
        let parts = match reply {
            Reply::One(frame) => vec![frame],
            Reply::Many(frames) => frames,
            Reply::Silence => Vec::new(),
        };
        Reader { parts: parts.into_iter(), part: Bytes::new(), at: 0 }
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> Result<Value, Malformed> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<Value, Malformed> {
        if depth > DEPTH_MAX + 1 {
            return Err(Malformed { what: "values lie too deep in each other" });
        }
        loop {
            let (kind, from, to) = self.line()?;
            let value = match kind {
                b'*' | b'~' | b'>' | b'%' | b'|' => match announced(&self.part[from..to]) {
                    None => return Err(TORN),
                    Some(Announced::Nothing) => Value::Null,
                    Some(Announced::Len(n)) => match kind {
                        b'*' => Value::Array(self.values(n, depth)?),
                        b'~' => Value::Set(self.values(n, depth)?),
                        b'>' => Value::Push(self.values(n, depth)?),
                        b'%' => Value::Map(self.pairs(n, depth)?),
                        _ => {
                            // Attributes: what follows is what they belong to.
                            drop(self.pairs(n, depth)?);
                            continue;
                        }
                    },
                },
                b'$' | b'!' | b'=' => match announced(&self.part[from..to]) {
                    None => return Err(TORN),
                    Some(Announced::Nothing) => Value::Null,
                    Some(Announced::Len(len)) => self.bulk(kind, len)?,
                },
                _ => of_line(kind, &self.part[from..to], |_| self.keep(from, to))?,
            };
            return Ok(value);
        }
    }

    fn values(&mut self, n: u64, depth: usize) -> Result<Vec<Value>, Malformed> {
        let mut values = Vec::with_capacity(n.min(ROOM_MAX) as usize);
        for _ in 0..n {
            values.push(self.value_at(depth + 1)?);
        }
        Ok(values)
    }

    fn pairs(&mut self, n: u64, depth: usize) -> Result<Vec<(Value, Value)>, Malformed> {
        let mut pairs = Vec::with_capacity(n.min(ROOM_MAX) as usize);
        for _ in 0..n {
            pairs.push((self.value_at(depth + 1)?, self.value_at(depth + 1)?));
        }
        Ok(pairs)
    }

    /// The type of the next line, and where its text lies in the part at hand.
    fn line(&mut self) -> Result<(u8, usize, usize), Malformed> {
        while self.at >= self.part.len() {
            self.part = self.parts.next().ok_or(TORN)?.into_bytes_from(0);
            self.at = 0;
        }
        let (line, end) = first(&self.part[self.at..]).ok_or(TORN)?;
        let (kind, text) = line.split_first().ok_or(TORN)?;
        let (kind, from, to) = (*kind, self.at + 1, self.at + 1 + text.len());
        self.at += end;
        Ok((kind, from, to))
    }

    fn bulk(&mut self, kind: u8, len: u64) -> Result<Value, Malformed> {
        let len = usize::try_from(len).map_err(|_| TORN)?;
        let (from, to) = (self.at, self.at.saturating_add(len));
        let bytes = self.part.get(from..to).ok_or(TORN)?;
        let value = match kind {
            b'!' => Value::Error(ServerError::new(bytes)),
            b'=' => match bytes {
                [a, b, c, b':', ..] => Value::Verbatim { format: [*a, *b, *c], text: self.keep(from + 4, to) },
                _ => return Err(Malformed { what: "a verbatim string has a format" }),
            },
            _ => Value::Bulk(self.keep(from, to)),
        };
        // The end of the last one may have been cut off.
        self.at = to + 2;
        Ok(value)
    }

    /// Some bytes of the part at hand, to be kept: without a copy where they are most of it, else with one, so that they keep nothing
    /// else alive.
    fn keep(&self, from: usize, to: usize) -> Bytes {
        match (to - from) * 2 >= self.part.len() {
            true => self.part.slice(from..to),
            false => Bytes::copy_from_slice(&self.part[from..to]),
        }
    }
}

/// A value that is one line.
fn of_line(kind: u8, text: &[u8], keep: impl FnOnce(&[u8]) -> Bytes) -> Result<Value, Malformed> {
    match kind {
        b':' => Ok(Value::Int(integer(text).ok_or(Malformed { what: "an integer is none" })?)),
        b'+' => Ok(Value::Simple(match text {
            b"OK" => Bytes::from_static(b"OK"),
            b"QUEUED" => Bytes::from_static(b"QUEUED"),
            b"PONG" => Bytes::from_static(b"PONG"),
            text => keep(text),
        })),
        b'-' => Ok(Value::Error(ServerError::new(text))),
        b'_' if text.is_empty() => Ok(Value::Null),
        b',' => Ok(Value::Double(double(text).ok_or(Malformed { what: "a double is none" })?)),
        b'#' if text == b"t" => Ok(Value::Bool(true)),
        b'#' if text == b"f" => Ok(Value::Bool(false)),
        b'(' if is_big_number(text) => Ok(Value::BigNumber(keep(text))),
        _ => Err(Malformed { what: "a value of one line is not what its type says" }),
    }
}

/// Digits behind an optional sign.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// As RESP3 and Redis's own strings write it: `3.14`, `1e9`, `inf`, `-inf`, `nan`.
pub(crate) fn double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_big_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
