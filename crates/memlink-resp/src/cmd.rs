use std::fmt;

use bytes::Bytes;
use memlink::generic::Encoder;

use crate::Error;
use crate::line::put_number;
use crate::shared;

/// Any command: its name, then its arguments, as bytes.
///
/// ```
/// use memlink_resp::Cmd;
///
/// let cmd = Cmd::new("SET").key("user:1").arg("ada").arg("EX").arg(60);
/// let of_two_words = Cmd::new("CONFIG GET").arg("maxmemory");
/// ```
///
/// **Which server?** That of its keys ([`key`](Cmd::key)); where none is marked, that of the first argument, or of the one where the known
/// commands have their first key (`EVAL`, `BITOP`, `OBJECT`, `XREAD`, ...). A command with keys of different servers is refused when they are
/// marked, and goes to the server of the first where they are not: with several servers mark them all, or use the verbs that divide
/// keys among servers ([`Redis::mget`](crate::Redis::mget)).
#[derive(Clone)]
#[must_use = "a command is sent by a client"]
pub struct Cmd {
    args: u64,
    /// Every argument as `$3 CRLF SET CRLF`, without the values that are shared.
    bytes: Vec<u8>,
    /// Values that are written from where they lie, each in front of the byte at this place.
    shared: Vec<(usize, Bytes)>,
    /// Where the marked keys lie in `bytes`.
    key: Option<(usize, usize)>,
    more_keys: Vec<(usize, usize)>,
    /// The longest argument.
    arg_len: usize,
}

/// Most arguments of a command, its name included: Redis closes the connection of whoever sends more.
pub(crate) const ARGS_MAX: usize = 1 << 20;

/// Longest argument in bytes: `proto-max-bulk-len` as Redis has it by default, which closes the connection as well.
const ARG_LEN_MAX: usize = 512 << 20;

/// Room for the name, lengths and line ends of a short command.
const ROOM: usize = 48;

impl Cmd {
    /// A command of this name. Words behind a blank are its first arguments: `CONFIG GET`.
    pub fn new(name: &str) -> Cmd {
        let mut cmd = Cmd::with_room(name.len());
        for word in name.split_ascii_whitespace() {
            cmd.push(word.as_bytes());
        }
        cmd
    }

    fn with_room(len: usize) -> Cmd {
        Cmd {
            args: 0,
            bytes: Vec::with_capacity(ROOM + len),
            shared: Vec::new(),
            key: None,
            more_keys: Vec::new(),
            arg_len: 0,
        }
    }

    /// One with a key, and room for a value of so many bytes.
    pub(crate) fn of_key(name: &'static str, key: &[u8], value_len: usize) -> Cmd {
        let mut cmd = Cmd::with_room(key.len() + value_len);
        cmd.push(name.as_bytes());
        cmd.key(key)
    }

    /// Appends an argument.
    pub fn arg(mut self, arg: impl Arg) -> Cmd {
        arg.put(&mut Args(&mut self));
        self
    }

    /// Appends arguments.
    pub fn args<A: Arg>(self, args: impl IntoIterator<Item = A>) -> Cmd {
        args.into_iter().fold(self, Cmd::arg)
    }

    /// Appends an argument that is a key: it says which server the command belongs to.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Cmd {
        let key = key.as_ref();
        self.push(key);
        let place = (self.bytes.len() - key.len() - 2, key.len());
        match self.key {
            None => self.key = Some(place),
            Some(_) => self.more_keys.push(place),
        }
        self
    }

    fn head(&mut self, len: usize) {
        self.args += 1;
        self.arg_len = self.arg_len.max(len);
        self.bytes.push(b'$');
        put_number(&mut self.bytes, len as u64);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn push(&mut self, arg: &[u8]) {
        self.head(arg.len());
        self.bytes.extend_from_slice(arg);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn push_shared(&mut self, arg: Bytes) {
        if arg.len() < Encoder::SHARED_MIN {
            return self.push(&arg);
        }
        self.head(arg.len());
        self.shared.push((self.bytes.len(), arg));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The argument at `index`, 0 for the name.
    pub(crate) fn word(&self, index: usize) -> Option<&[u8]> {
        self.words().nth(index)
    }

    fn words(&self) -> impl Iterator<Item = &[u8]> {
        let (mut at, mut shared) = (0, self.shared.iter().peekable());
        std::iter::from_fn(move || {
            let (line, from) = crate::line::first(self.bytes.get(at..)?)?;
            let len = line.iter().skip(1).fold(0, |n, digit| n * 10 + usize::from(digit - b'0'));
            let from = at + from;
            if let Some((_, bytes)) = shared.next_if(|(place, _)| *place == from) {
                at = from + 2;
                return Some(&bytes[..]);
            }
            at = from + len + 2;
            self.bytes.get(from..from + len)
        })
    }

    /// The marked keys; where there is none, the one that the command is known to have.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let place = |&(from, len): &(usize, usize)| self.bytes.get(from..from + len);
        let known = if self.key.is_none() { self.word(shared::first_key(self)) } else { None };
        self.key.iter().chain(&self.more_keys).filter_map(place).chain(known)
    }

    /// Refuses what would change the connection for all who share it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        shared::check(self)
    }

    /// Refuses what the server would not answer, or would close the connection for.
    pub(crate) fn check_size(&self) -> Result<(), Error> {
        match () {
            () if self.args == 0 => Err(Error::Size("a command without a name")),
            () if self.args > ARGS_MAX as u64 => Err(Error::Size("more than 1,048,576 arguments")),
            () if self.arg_len > ARG_LEN_MAX => Err(Error::Size("an argument of more than 512 MiB")),
            () => Ok(()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.shared.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + 16
    }

    pub(crate) fn encode(&self, out: &mut Encoder<'_>) {
        let buffer = out.buffer();
        buffer.push(b'*');
        put_number(buffer, self.args);
        buffer.extend_from_slice(b"\r\n");
        let mut from = 0;
        for (place, bytes) in &self.shared {
            out.put(&self.bytes[from..*place]);
            out.put_value(bytes);
            from = *place;
        }
        out.put(&self.bytes[from..]);
    }
}

/// Its name and how many arguments it has: they are users' data.
impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(self.word(0).unwrap_or_default());
        write!(f, "Cmd({name}, {} arguments)", self.args.saturating_sub(1))
    }
}

/// Where an argument goes.
#[derive(Debug)]
pub struct Args<'a>(&'a mut Cmd);

impl Args<'_> {
    /// Appends one argument, copied.
    pub fn put(&mut self, arg: &[u8]) {
        self.0.push(arg);
    }

    /// Appends one argument; a large one is not copied but written from where it lies.
    pub fn put_value(&mut self, arg: Bytes) {
        self.0.push_shared(arg);
    }
}

/// What can be an argument: text, bytes, numbers. Large `Bytes`, `Vec<u8>` and `String` are written from where they lie.
pub trait Arg {
    /// Appends it, once; or more than once where it stands for several arguments.
    fn put(self, args: &mut Args<'_>);
}

macro_rules! arguments {
    ($($type:ty => |$arg:ident, $args:ident| $put:expr;)*) => {$(
        impl Arg for $type {
            #[inline]
            fn put(self, $args: &mut Args<'_>) {
                let $arg = self;
                $put
            }
        }
    )*};
}

arguments! {
    &str => |arg, args| args.put(arg.as_bytes());
    &String => |arg, args| args.put(arg.as_bytes());
    String => |arg, args| args.put_value(arg.into());
    &[u8] => |arg, args| args.put(arg);
    &Vec<u8> => |arg, args| args.put(arg);
    Vec<u8> => |arg, args| args.put_value(arg.into());
    Bytes => |arg, args| args.put_value(arg);
    &Bytes => |arg, args| args.put_value(arg.clone());
    f64 => |arg, args| args.put(arg.to_string().as_bytes());
}

impl<const N: usize> Arg for &[u8; N] {
    fn put(self, args: &mut Args<'_>) {
        args.put(self);
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Arg for $type {
            fn put(self, args: &mut Args<'_>) {
                let mut digits = Vec::with_capacity(20);
                if i128::from(self) < 0 {
                    digits.push(b'-');
                }
                // The width of any of them.
                put_number(&mut digits, i128::from(self).unsigned_abs() as u64);
                args.put(&digits);
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i32, i64);

impl Arg for usize {
    fn put(self, args: &mut Args<'_>) {
        (self as u64).put(args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(cmd: &Cmd) -> Vec<u8> {
        memlink::generic::encode_to_vec(|out| cmd.encode(out))
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let cmd = Cmd::new("SET").key("k").arg("v").arg("EX").arg(60).arg(-1_i64).arg(0.5);
        let want = "*7\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nEX\r\n$2\r\n60\r\n$2\r\n-1\r\n$3\r\n0.5\r\n";
        assert_eq!(encoded(&cmd), want.as_bytes());
        assert_eq!(encoded(&Cmd::new("config get").arg("")), b"*3\r\n$6\r\nconfig\r\n$3\r\nget\r\n$0\r\n\r\n");
        assert_eq!(format!("{cmd:?}"), "Cmd(SET, 6 arguments)");
    }

    #[test]
    fn large_values_are_shared_and_found_again() {
        let large = vec![b'x'; Encoder::SHARED_MIN];
        let cmd = Cmd::new("MSET").key("a").arg(large.clone()).key("b").arg(large.clone()).arg("end");
        let head = format!("${}\r\n", large.len()).into_bytes();
        let want = [b"*6\r\n$4\r\nMSET\r\n$1\r\na\r\n", &head[..], &large, b"\r\n$1\r\nb\r\n", &head, &large];
        let want = [&want.concat()[..], b"\r\n$3\r\nend\r\n"].concat();
        assert_eq!(encoded(&cmd), want);
        assert_eq!(cmd.words().map(<[u8]>::len).collect::<Vec<_>>(), [4, 1, large.len(), 1, large.len(), 3]);
        assert_eq!(cmd.keys().collect::<Vec<_>>(), [b"a", b"b"]);
        assert!(cmd.len() >= want.len());
    }

    #[test]
    fn the_key_of_a_known_command_is_found() {
        for (cmd, key) in [
            (Cmd::new("GET").arg("k"), Some("k")),
            (Cmd::new("bitop").arg("AND").arg("k").arg("other"), Some("k")),
            (Cmd::new("OBJECT ENCODING").arg("k"), Some("k")),
            (Cmd::new("EVAL").arg("return 1").arg(1).arg("k"), Some("k")),
            (Cmd::new("EVAL").arg("return 1").arg(0).arg("no key"), None),
            (Cmd::new("XREAD").arg("COUNT").arg(1).arg("streams").arg("k").arg("0"), Some("k")),
            (Cmd::new("PING"), None),
            (Cmd::new("INFO").arg("server"), None),
        ] {
            assert_eq!(cmd.keys().next(), key.map(str::as_bytes), "{cmd:?}");
        }
    }
}
