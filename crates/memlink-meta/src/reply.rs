use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use memchr::memchr;
use memlink_core::{Frame, Malformed, Reply};

use crate::{Fault, Key, number};

/// The first word of a reply line that is not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done, and no value.
    Hd = 1,
    /// A value follows.
    Va = 1 << 1,
    /// A miss of `mg` or `me`.
    En = 1 << 2,
    /// There is no such item.
    Nf = 1 << 3,
    /// Not stored.
    Ns = 1 << 4,
    /// The item has another CAS id.
    Ex = 1 << 5,
    /// The barrier's reply.
    Mn = 1 << 6,
    /// What is known of an item.
    Me = 1 << 7,
    /// Classic: done.
    Ok = 1 << 8,
    /// Classic: the server's version.
    Version = 1 << 9,
    /// Classic: a value of a multi-get, a statistic, the end of either. No command that is answered by one line gets it.
    Classic = 0,
}

/// Some statuses: those that a command may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statuses(u16);

impl Statuses {
    pub(crate) const fn of(list: &[Status]) -> Statuses {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= list[i] as u16;
            i += 1;
        }
        Statuses(bits)
    }

    #[inline]
    pub(crate) fn have(self, status: Status) -> bool {
        self.0 & status as u16 != 0
    }
}

impl Status {
    /// The status of a line and what stands behind it. The word must be followed by a space or by the end of the line.
    #[inline]
    pub(crate) fn read(line: &[u8]) -> Option<(Status, &[u8])> {
        if let [a, b, rest @ ..] = line
            && matches!(rest.first(), None | Some(b' '))
        {
            let status = match [*a, *b] {
                [b'H', b'D'] => Status::Hd,
                [b'V', b'A'] => Status::Va,
                [b'E', b'N'] => Status::En,
                [b'N', b'F'] => Status::Nf,
                [b'N', b'S'] => Status::Ns,
                [b'E', b'X'] => Status::Ex,
                [b'M', b'N'] => Status::Mn,
                [b'M', b'E'] => Status::Me,
                [b'O', b'K'] => Status::Ok,
                _ => return None,
            };
            return Some((status, rest));
        }
        Status::read_classic(line)
    }

    #[cold]
    fn read_classic(line: &[u8]) -> Option<(Status, &[u8])> {
        let (word, rest) = line.split_at(memchr(b' ', line).unwrap_or(line.len()));
        let status = match word {
            b"VERSION" => Status::Version,
            b"VALUE" | b"END" | b"STAT" | b"RESET" => Status::Classic,
            _ => return None,
        };
        Some((status, rest))
    }
}

/// Whether the line is one of the server's error lines: the word, and then the end, a space or a colon.
pub(crate) fn is_error(line: &[u8]) -> bool {
    ERRORS
        .iter()
        .any(|word| line.strip_prefix(*word).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b':'))))
}

/// Whether what begins like this can become an error line.
pub(crate) fn may_be_error(begun: &[u8]) -> bool {
    ERRORS.iter().any(|word| begun.starts_with(word) || word.starts_with(begun))
}

const ERRORS: [&[u8]; 3] = [b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"];

/// The words of a line, divided by one or more bytes 0x20 and by nothing else: old servers write double and trailing
/// spaces, and other white space can be part of a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
        if self.0.is_empty() {
            return None;
        }
        let len = self.0.iter().position(|b| *b == b' ').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(word)
    }
}

/// The reply to a command of one line, read as far as all of them are alike.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A status, and what belongs to it.
    Status(Line),
    /// The server reported an error.
    Fault(Fault),
    /// Nothing was said, which is what a quiet command asks for.
    Silence,
}

/// A reply line that is not an error, and its value if it has one.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) status: Status,
    /// The whole reply.
    frame: Frame,
    /// Where the flags lie in it.
    flags: Range<usize>,
}

impl Answer {
    /// Reads what came back. `keys` are what must not appear in an error's text.
    #[inline]
    pub(crate) fn read(reply: Reply, keys: &[Key]) -> Result<Answer, Malformed> {
        let frame = match reply {
            Reply::One(frame) => frame,
            Reply::Silence => return Ok(Answer::Silence),
            Reply::Many(_) => return Err(malformed("several parts where one line was expected")),
        };
        let bytes = frame.as_slice();
        let (status, flags) = match Status::read(bytes) {
            Some((Status::Va, rest)) => (Status::Va, value_header(bytes, rest)?),
            Some((status, rest)) => (status, bytes.len() - rest.len()..bytes.len()),
            None if is_error(bytes) => return Ok(Answer::Fault(Fault::read(bytes, keys))),
            None => return Err(malformed("an unknown status")),
        };
        Ok(Answer::Status(Line { status, frame, flags }))
    }
}

/// Where the flags lie in a reply with a value: behind the length, and in front of the line end that must then stand as
/// many bytes before the end as the length says.
#[inline]
fn value_header(bytes: &[u8], rest: &[u8]) -> Result<Range<usize>, Malformed> {
    const WRONG: Malformed = malformed("a value of another length than announced");
    // The length ends at the first byte that is no digit, not at the next space: with nothing behind it on its line, that
    // space could stand in the value.
    let digits_at = rest.iter().position(|b| *b != b' ').ok_or(WRONG)?;
    let (_, rest) = rest.split_at(digits_at);
    let (digits, rest) = rest.split_at(rest.iter().position(|b| !b.is_ascii_digit()).ok_or(WRONG)?);
    let size = number::read(digits).and_then(|size| usize::try_from(size).ok()).ok_or(WRONG)?;
    let end = bytes.len().checked_sub(size).and_then(|at| at.checked_sub(2)).ok_or(WRONG)?;
    let start = bytes.len() - rest.len();
    if start > end || bytes.get(end..end + 2) != Some(b"\r\n") || (start < end && !rest.starts_with(b" ")) {
        return Err(WRONG);
    }
    Ok(start..end)
}

impl Line {
    /// The flags: each one letter and what stands behind it.
    #[inline]
    pub(crate) fn flags(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let bytes = self.frame.as_slice().get(self.flags.clone()).unwrap_or_default();
        // The opaque comes first and was compared when the stream was cut; most replies have nothing else.
        let bytes = match bytes {
            [b' ', b'O', _, _, _, _, rest @ ..] if matches!(rest.first(), None | Some(b' ')) => rest,
            _ => bytes,
        };
        Words(bytes).filter_map(|word| word.split_first().map(|(letter, token)| (*letter, token)))
    }

    /// The value, without a copy where it is long. Empty when there is none.
    #[inline]
    pub(crate) fn into_value(self) -> Bytes {
        self.frame.into_bytes_from(self.flags.end.saturating_add(2))
    }

    /// The value, to be looked at.
    pub(crate) fn value(&self) -> &[u8] {
        self.frame.as_slice().get(self.flags.end.saturating_add(2)..).unwrap_or_default()
    }

    /// All that stands behind the status.
    pub(crate) fn rest(&self) -> &[u8] {
        self.frame.as_slice().get(self.flags.clone()).unwrap_or_default()
    }
}

/// The parts of a reply that may have several.
pub(crate) fn parts(reply: Reply) -> Result<Vec<Frame>, Malformed> {
    match reply {
        Reply::One(frame) => Ok(alloc::vec![frame]),
        Reply::Many(frames) => Ok(frames),
        Reply::Silence => Err(malformed("silence where an answer was expected")),
    }
}

pub(crate) const fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_whole_word() {
        let cases: &[(&[u8], Option<Status>)] = &[
            (b"HD", Some(Status::Hd)),
            (b"HD ", Some(Status::Hd)),
            (b"HD  Oabcd ", Some(Status::Hd)),
            (b"HDx", None),
            (b"H", None),
            (b"", None),
            (b"hd", None),
            (b"OK", Some(Status::Ok)),
            (b"VERSION 1", Some(Status::Version)),
            (b"END", Some(Status::Classic)),
            (b"ENDS", None),
            (b"HD\xc2\xa0", None),
            (b"HD\t", None),
        ];
        for (line, want) in cases {
            assert_eq!(Status::read(line).map(|(status, _)| status), *want, "{line:?}");
        }
    }

    #[test]
    fn an_error_is_a_word_and_then_end_space_or_colon() {
        let cases: &[(&[u8], bool)] = &[
            (b"ERROR", true),
            (b"ERROR Too many open connections", true),
            (b"ERROR: shutdown not enabled", true),
            (b"SERVER_ERROR: shutdown not enabled", true),
            (b"CLIENT_ERROR", true),
            (b"CLIENT_ERROR bad", true),
            (b"ERRORS", false),
            (b"SERVER_ERRORx", false),
            (b" ERROR", false),
            (b"error", false),
            (b"", false),
        ];
        for (line, want) in cases {
            assert_eq!(is_error(line), *want, "{line:?}");
        }
    }

    fn read(bytes: &[u8]) -> Result<Answer, Malformed> {
        Answer::read(Reply::One(Frame::copy_from(bytes)), &[])
    }

    #[test]
    fn an_answer_is_a_status_or_an_error() {
        assert!(matches!(read(b"HD"), Ok(Answer::Status(_))));
        assert!(matches!(read(b"ERROR"), Ok(Answer::Fault(_))));
        assert!(read(b"ERRORS").is_err());
        assert!(read(b"").is_err());
    }

    /// The reply was cut where the length says; whoever looks at it once more must find the same.
    #[test]
    fn a_value_lies_where_its_length_says() {
        let value = |bytes: &[u8]| match read(bytes) {
            Ok(Answer::Status(line)) => Some(line.into_value().to_vec()),
            _ => None,
        };
        assert_eq!(value(b"VA 2\r\nab"), Some(b"ab".to_vec()));
        assert_eq!(value(b"VA  2 Oabcd s2 \r\nab"), Some(b"ab".to_vec()));
        assert_eq!(value(b"VA 0 c5\r\n"), Some(Vec::new()));
        assert_eq!(value(b"VA 2 c5\r\n\r\n"), Some(b"\r\n".to_vec()));
        for wrong in
            ["VA 2 c5xxab", "VA 2 c5\rxab", "VA 2x\r\nab", "VA x\r\nab", "VA \r\nab", "VA", "VA 2", "VA 9\r\nab"]
        {
            assert_eq!(value(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    /// The opaque is passed over, and nothing that only looks like one.
    #[test]
    fn flags_are_letters_and_what_stands_behind_them() {
        let flags = |bytes: &[u8]| match read(bytes) {
            Ok(Answer::Status(line)) => line.flags().map(|(letter, token)| (letter, token.to_vec())).collect(),
            _ => Vec::new(),
        };
        let c5 = vec![(b'c', b"5".to_vec())];
        assert_eq!(flags(b"HD Oabcd c5"), c5);
        assert_eq!(flags(b"HD Oabcd"), []);
        assert_eq!(flags(b"HD Oabcdc5"), [(b'O', b"abcdc5".to_vec())]);
        assert_eq!(flags(b"HD  c5 "), c5);
    }

    #[test]
    fn words_are_divided_by_the_byte_0x20_only() {
        let words: Vec<&[u8]> = Words(b"  Oa\tb  kx\xc2\xa05 \x85 ").collect();
        assert_eq!(words, [&b"Oa\tb"[..], b"kx\xc2\xa05", b"\x85"]);
    }
}
