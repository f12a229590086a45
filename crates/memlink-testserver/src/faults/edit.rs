//! What is done to the bytes of a reply. Pure.

use super::chance::Draw;
use super::fault::Edit;
use bytes::BytesMut;

/// The reply that an edit is about.
pub(super) struct Reply<'a> {
    /// Everything that was not written yet.
    pub(super) bytes: &'a mut BytesMut,
    /// Where the reply begins in it.
    pub(super) start: usize,
    /// Where the one before it begins, if that was not written yet either.
    pub(super) previous: Option<usize>,
}

impl Edit {
    /// The reply with what goes before it, changed; `None` where there is
    /// nothing to change. It begins where the reply began, or at the one before
    /// it for a swap.
    pub(super) fn apply(&self, reply: &Reply<'_>, draw: Draw) -> Option<Edited> {
        let own = reply.bytes.get(reply.start..).filter(|own| !own.is_empty())?;
        let bytes = match self {
            Edit::Instead(bytes) => bytes.to_vec(),
            Edit::Garbage(len) => draw.bytes(*len).chain(*b"\r\n").collect(),
            Edit::WrongLength(by) => with_length(own, *by)?,
            Edit::NoLineEnd => own.strip_suffix(b"\r\n")?.to_vec(),
            Edit::LineBefore(line) => [line, own].concat(),
            Edit::LineAfter(line) => [own, line].concat(),
            Edit::Duplicate => [own, own].concat(),
            Edit::Swallow => Vec::new(),
            Edit::WrongOpaque => with_opaque(own)?,
            Edit::Swap => {
                let start = reply.previous?;
                let previous = reply.bytes.get(start..reply.start).filter(|previous| !previous.is_empty())?;
                return Some(Edited { start, bytes: [own, previous].concat() });
            }
        };
        Some(Edited { start: reply.start, bytes })
    }
}

/// What a reply has become, and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) start: usize,
    pub(super) bytes: Vec<u8>,
}

impl Edited {
    pub(super) fn put(self, into: &mut BytesMut) {
        into.truncate(self.start);
        into.extend_from_slice(&self.bytes);
    }
}

/// `VA <length>…` and `VALUE <key> <flags> <length>…` with another length.
fn with_length(reply: &[u8], by: i64) -> Option<Vec<u8>> {
    let index = match reply {
        [b'V', b'A', b' ', ..] => 1,
        [b'V', b'A', b'L', b'U', b'E', b' ', ..] => 3,
        _ => return None,
    };
    let (start, end) = word(reply, index)?;
    let length: u64 = std::str::from_utf8(reply.get(start..end)?).ok()?.parse().ok()?;
    let wrong = length.saturating_add_signed(by);
    (wrong != length).then(|| replaced(reply, start, end, wrong.to_string().as_bytes()))
}

/// A meta reply with another opaque.
fn with_opaque(reply: &[u8]) -> Option<Vec<u8>> {
    let (start, end) =
        (1..).map_while(|index| word(reply, index)).find(|(start, _)| reply.get(*start) == Some(&b'O'))?;
    let (last, first) = reply.get(start + 1..end)?.split_last()?;
    let wrong = if *last == b'0' { b'1' } else { b'0' };
    Some(replaced(reply, start + 1, end, &[first, &[wrong]].concat()))
}

/// Where a word of the first line stands.
fn word(reply: &[u8], index: usize) -> Option<(usize, usize)> {
    let end = reply.iter().position(|byte| *byte == b'\r')?;
    let mut start = 0;
    for (number, word) in reply.get(..end)?.split(|byte| *byte == b' ').enumerate() {
        if number == index {
            return Some((start, start + word.len()));
        }
        start += word.len() + 1;
    }
    None
}

fn replaced(reply: &[u8], start: usize, end: usize, by: &[u8]) -> Vec<u8> {
    [reply.get(..start).unwrap_or_default(), by, reply.get(end..).unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(edit: Edit, reply: &str) -> Option<String> {
        let mut bytes = BytesMut::from(format!("HD\r\n{reply}").as_str());
        let reply = Reply { bytes: &mut bytes, start: 4, previous: Some(0) };
        let edited = edit.apply(&reply, Draw::new(1, 0, 1, 1))?;
        edited.put(&mut bytes);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn each_edit_changes_what_it_says() {
        for (edit, reply, expected) in [
            (Edit::Instead("X".into()), "VA 1\r\nv\r\n", "HD\r\nX"),
            (Edit::WrongLength(3), "VA 5 Oa\r\nhello\r\n", "HD\r\nVA 8 Oa\r\nhello\r\n"),
            (Edit::WrongLength(-9), "VA 5\r\nhello\r\n", "HD\r\nVA 0\r\nhello\r\n"),
            (Edit::WrongLength(i64::MAX), "VA 1\r\nv\r\n", "HD\r\nVA 9223372036854775808\r\nv\r\n"),
            (Edit::WrongLength(1), "VALUE k 0 1\r\nv\r\nEND\r\n", "HD\r\nVALUE k 0 2\r\nv\r\nEND\r\n"),
            (Edit::NoLineEnd, "VA 1\r\nv\r\n", "HD\r\nVA 1\r\nv"),
            (Edit::LineBefore("EN\r\n".into()), "HD\r\n", "HD\r\nEN\r\nHD\r\n"),
            (Edit::LineAfter("EN\r\n".into()), "HD\r\n", "HD\r\nHD\r\nEN\r\n"),
            (Edit::Duplicate, "NS\r\n", "HD\r\nNS\r\nNS\r\n"),
            (Edit::Swallow, "NS\r\n", "HD\r\n"),
            (Edit::Swap, "NS\r\n", "NS\r\nHD\r\n"),
            (Edit::WrongOpaque, "VA 1 f0 O7\r\n O\r\n", "HD\r\nVA 1 f0 O0\r\n O\r\n"),
            (Edit::WrongOpaque, "HD O20 k\r\n", "HD\r\nHD O21 k\r\n"),
        ] {
            assert_eq!(edited(edit.clone(), reply).as_deref(), Some(expected), "{edit:?}");
        }
        assert!(edited(Edit::Garbage(16), "HD\r\n").expect("an edit").ends_with("\r\n"));
    }

    #[test]
    fn what_cannot_be_changed_is_no_injection() {
        for (edit, reply) in [
            (Edit::WrongLength(1), "HD\r\n"),
            (Edit::WrongLength(-1), "VA 0\r\n\r\n"),
            (Edit::WrongOpaque, "VA 3 f0\r\n O1\r\n"),
            (Edit::Duplicate, ""),
            (Edit::Swallow, ""),
            (Edit::Swap, ""),
        ] {
            assert_eq!(edited(edit.clone(), reply), None, "{edit:?}");
        }
        let mut bytes = BytesMut::from("HD\r\n");
        let alone = Reply { bytes: &mut bytes, start: 0, previous: None };
        assert_eq!(Edit::Swap.apply(&alone, Draw::new(1, 0, 1, 1)), None);
    }
}
