use memchr::memmem;
use memlink_core::{Command, Encoder, Malformed, Reply};

use super::{Verb, refuse};
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer, number,
    reply::{Answer, Status, Words, malformed},
};

/// `me <key> [b x]\r\n`: what the server knows of an item, without an effect on it.
///
/// ```text
/// ME <key> exp=<s> la=<s> cas=<n> fetch=yes|no cls=<n> size=<n>\r\n
/// EN\r\n                                                               a miss
/// ```
///
/// It knows no opaque, so its place is confirmed by its status alone.
///
/// A key with a line end in it is refused: the server may answer it as it is and so tear its own reply. Behind the flag
/// `b` stands another one, which means nothing: memcached 1.6.40 to 1.6.45 overlook a `b` that comes last.
#[derive(Debug, Clone)]
pub struct Debug {
    key: Key,
}

impl Debug {
    /// Asks about the item.
    #[must_use]
    pub fn new(key: Key) -> Debug {
        Debug { key }
    }
}

/// What the server knows of an item. A part that this server does not report is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ItemInfo {
    /// Seconds left to live, by the server's clock. `None`: it never expires.
    pub expires_in: Option<u64>,
    /// Seconds since the last access.
    pub last_access: Option<u64>,
    /// The CAS id.
    pub cas: Option<u64>,
    /// Whether it was ever fetched.
    pub fetched: Option<bool>,
    /// The slab class it lies in.
    pub slab_class: Option<u64>,
    /// The size of the whole item in the server's memory, in bytes.
    pub size: Option<u64>,
}

impl ItemInfo {
    /// Reads what stands behind the key, which may hold spaces when it comes back as it is.
    fn read(rest: &[u8]) -> Result<ItemInfo, Malformed> {
        let start = memmem::rfind(rest, b" exp=").ok_or(malformed("a description without an expiry"))?;
        let mut info = ItemInfo::default();
        for word in Words(rest.get(start..).unwrap_or_default()) {
            let at = memchr::memchr(b'=', word).ok_or(malformed("a description without a sign of equality"))?;
            let (name, value) = (word.get(..at).unwrap_or_default(), word.get(at + 1..).unwrap_or_default());
            let number = || number::read(value).map(Some).ok_or(malformed("a description that is no number"));
            match name {
                b"exp" => info.expires_in = read_expiry(value)?,
                b"la" => info.last_access = number()?,
                b"cas" => info.cas = number()?,
                b"cls" => info.slab_class = number()?,
                b"size" => info.size = number()?,
                b"fetch" => info.fetched = Some(value == b"yes"),
                _ => {}
            }
        }
        Ok(info)
    }
}

/// -1 is never. Before memcached 1.6.24 the time that is left had the wrong sign; an item whose time is over is a miss, so
/// a negative time can mean nothing else.
fn read_expiry(value: &[u8]) -> Result<Option<u64>, Malformed> {
    if value == b"-1" {
        return Ok(None);
    }
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    number::read(digits).map(Some).ok_or(malformed("an expiry that is no number"))
}

impl Command<Meta> for Debug {
    type Output = Result<Option<ItemInfo>, Fault>;

    fn size_hint(&self) -> usize {
        self.key.wire_len() + 16
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        out.put(b"me ");
        self.key.put(out.buffer());
        out.put(if self.key.is_binary() { b" b x\r\n" } else { b"\r\n" });
        Expect::plain(&[Status::Me, Status::En])
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        match Answer::read(reply, core::slice::from_ref(&self.key))? {
            Answer::Fault(fault) => Ok(Err(fault)),
            Answer::Status(line) if line.status == Status::En => Ok(Ok(None)),
            Answer::Status(line) if line.status == Status::Me => Ok(Ok(Some(ItemInfo::read(line.rest())?))),
            _ => Err(malformed("a status that a description cannot have")),
        }
    }
}

impl Verb for Debug {
    fn prepare(&mut self, _now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        let torn = self.key.as_bytes().iter().any(|b| matches!(b, b'\r' | b'\n'));
        refuse(&[(torn, "the server may answer a key with a line end as it is, which tears its reply")])
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn name(&self) -> &'static str {
        "debug"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn a_binary_key_is_followed_by_a_flag_that_means_nothing() {
        assert_eq!(wire(Debug::new(key("k"))), "me k\r\n");
        assert_eq!(wire(Debug::new(key("a b"))), "me YSBi b x\r\n");
        assert!(invalid(Debug::new(key("a\nb"))).to_string().contains("tears"));
    }

    #[test]
    fn descriptions_are_read() {
        let info = ItemInfo {
            expires_in: None,
            last_access: Some(1),
            cas: Some(2),
            fetched: Some(false),
            slab_class: Some(3),
            size: Some(64),
        };
        let cases = [
            ("EN\r\n", None),
            ("ME k exp=-1 la=1 cas=2 fetch=no cls=3 size=64\r\n", Some(info)),
            ("ME a exp=7 b exp=-1 la=1 cas=2 fetch=no cls=3 size=64\r\n", Some(info)),
            (
                "ME k exp=-30 la=1 cas=2 fetch=yes cls=3 size=64 new=x\r\n",
                Some(ItemInfo { expires_in: Some(30), fetched: Some(true), ..info }),
            ),
        ];
        for (input, want) in cases {
            assert_eq!(answer(&Debug::new(key("k")), input).unwrap(), want, "{input:?}");
        }
        for input in ["ME k\r\n", "ME k exp=\r\n", "ME k exp=1 la=x\r\n", "ME k exp=1 la\r\n"] {
            assert!(answer_from(&peer(45), &Debug::new(key("k")), input.as_bytes()).is_err(), "{input:?}");
        }
    }
}
