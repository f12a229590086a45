use std::fmt;

use crate::Scene;

/// Bytes with gaps: what is sent, once the gaps are filled, or what is expected, where the gaps say what may stand there.
///
/// | in the text | sent | expected |
/// | --- | --- | --- |
/// | `<cas>` | the number of this name | a number; the name stands for it from now on |
/// | `<cas+1>`, `<cas-1>` | that number and one more, or less | the same |
/// | `<~60>` | 60 | a number between 57 and 62: seconds, counted by another clock |
/// | `<now+60>`, `<now-60>` | Unix time, moved | the same, within two seconds |
/// | `<x*250>` | 250 times the byte `x` | the same |
/// | `<word>` | | some bytes without spaces and line ends |
/// | `<...>` | | anything, up to what follows |
/// | `<version>` | | the server's version |
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Repeat(u8, usize),
    Number(String, i64),
    Near(u64),
    Now(i64),
    Word,
    Anything,
    Version,
}

/// How bytes compare with what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The first so many bytes are what is expected.
    Whole(usize),
    /// They are its beginning, or may be.
    More,
    /// They are not, from this byte on.
    Differs(usize),
}

/// How far a count of seconds may be off: the server's clock ticks once a second, and ours was read earlier.
const SECONDS_LATE: u64 = 3;
const SECONDS_EARLY: u64 = 2;

impl Template {
    /// Reads the text form: escapes `\r \n \t \0 \s \\ \< \xHH`, and gaps.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Template, String> {
        let (mut pieces, mut bytes, mut rest) = (Vec::new(), Vec::new(), text);
        while let Some(at) = rest.find(['\\', '<']) {
            let (plain, special) = rest.split_at(at);
            bytes.extend_from_slice(plain.as_bytes());
            if let Some(escape) = special.strip_prefix('\\') {
                let (byte, len) = read_escape(escape)?;
                bytes.push(byte);
                rest = escape.get(len..).unwrap_or_default();
            } else {
                let end = special.find('>').ok_or_else(|| format!("a gap without an end in {text:?}"))?;
                if !bytes.is_empty() {
                    pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
                }
                pieces.push(read_gap(special.get(1..end).unwrap_or_default())?);
                rest = special.get(end + 1..).unwrap_or_default();
            }
        }
        bytes.extend_from_slice(rest.as_bytes());
        if !bytes.is_empty() {
            pieces.push(Piece::Bytes(bytes));
        }
        Ok(Template(pieces))
    }

    /// This and then a line end.
    #[must_use]
    pub fn with_line_end(mut self) -> Template {
        self.0.push(Piece::Bytes(b"\r\n".to_vec()));
        self
    }

    /// One behind the other.
    #[must_use]
    pub fn join<'a>(parts: impl IntoIterator<Item = &'a Template>) -> Template {
        Template(parts.into_iter().flat_map(|part| part.0.iter().cloned()).collect())
    }

    /// Whether nothing is sent or expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes it has, at least.
    #[must_use]
    pub fn len_min(&self) -> usize {
        self.0.iter().map(Piece::len_min).sum()
    }

    /// The bytes, with what the scene knows.
    ///
    /// # Errors
    ///
    /// The name of a number that is not known.
    pub fn fill(&self, scene: &Scene) -> Result<Vec<u8>, String> {
        let number = |name: &str| scene.number(name).ok_or_else(|| format!("no reply has named <{name}> yet"));
        self.fill_with(scene, number)
    }

    /// The bytes; numbers that no server has named are invented. Gaps for any bytes are filled with something short.
    pub fn play(&self, scene: &mut Scene) -> Vec<u8> {
        for piece in &self.0 {
            if let Piece::Number(name, _) = piece
                && scene.number(name).is_none()
            {
                // `<cas+1>` may be the first to name it.
                scene.number_or_invented(name);
            }
        }
        self.fill_with(scene, |name| Ok(scene.number(name).unwrap_or_default())).unwrap_or_default()
    }

    fn fill_with(&self, scene: &Scene, number: impl Fn(&str) -> Result<u64, String>) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Bytes(plain) => bytes.extend_from_slice(plain),
                Piece::Repeat(byte, times) => bytes.resize(bytes.len() + times, *byte),
                Piece::Number(name, plus) => put(&mut bytes, number(name)?.wrapping_add_signed(*plus)),
                Piece::Near(seconds) => put(&mut bytes, *seconds),
                Piece::Now(plus) => put(&mut bytes, scene.now.wrapping_add_signed(*plus)),
                Piece::Word => bytes.extend_from_slice(b"7"),
                Piece::Anything => {}
                Piece::Version => bytes.extend_from_slice(scene.version.as_bytes()),
            }
        }
        Ok(bytes)
    }

    /// Compares `input` with what is expected, and names the numbers in it. With [`Match::More`] nothing is named that
    /// would be named otherwise with more bytes.
    pub fn compare(&self, input: &[u8], scene: &mut Scene) -> Match {
        let mut seen = scene.clone();
        let result = compare(&self.0, input, 0, &mut seen);
        if matches!(result, Match::Whole(_)) {
            *scene = seen;
        }
        result
    }
}

/// As it is written in the table, near enough.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Bytes(bytes) => write!(f, "{}", bytes.escape_ascii()),
            Piece::Repeat(byte, times) => write!(f, "<{}*{times}>", byte.escape_ascii()),
            Piece::Number(name, 0) => write!(f, "<{name}>"),
            Piece::Number(name, plus) => write!(f, "<{name}{plus:+}>"),
            Piece::Near(seconds) => write!(f, "<~{seconds}>"),
            Piece::Now(plus) => write!(f, "<now{plus:+}>"),
            Piece::Word => f.write_str("<word>"),
            Piece::Anything => f.write_str("<...>"),
            Piece::Version => f.write_str("<version>"),
        })
    }
}

impl Piece {
    fn len_min(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Repeat(_, times) => *times,
            Piece::Number(..) | Piece::Near(_) | Piece::Now(_) | Piece::Word => 1,
            Piece::Anything => 0,
            Piece::Version => 5,
        }
    }
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend_from_slice(number.to_string().as_bytes());
}

fn compare(pieces: &[Piece], input: &[u8], from: usize, scene: &mut Scene) -> Match {
    let Some((piece, pieces)) = pieces.split_first() else { return Match::Whole(from) };
    let rest = input.get(from..).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let len = match piece {
        Piece::Bytes(bytes) => return go_on(compare_bytes(rest, bytes), pieces, input, from, scene),
        Piece::Version => {
            let version = scene.version.clone().into_bytes();
            return go_on(compare_bytes(rest, &version), pieces, input, from, scene);
        }
        Piece::Repeat(byte, times) => {
            let same = rest.iter().take(*times).take_while(|other| *other == byte).count();
            match same {
                _ if same == *times => same,
                _ if same == rest.len() => return Match::More,
                _ => return Match::Differs(from + same),
            }
        }
        Piece::Anything => return compare_anything(pieces, input, from, scene),
        Piece::Word => rest.iter().take_while(|byte| !matches!(byte, b' ' | b'\r' | b'\n')).count(),
        Piece::Number(..) | Piece::Near(_) | Piece::Now(_) => digits,
    };
    if len == rest.len() && !matches!(piece, Piece::Repeat(..)) {
        return Match::More;
    }
    let is_right = match piece {
        Piece::Repeat(..) => true,
        Piece::Word => len > 0,
        piece => std::str::from_utf8(rest.get(..len).unwrap_or_default())
            .ok()
            .and_then(|digits| digits.parse().ok())
            .is_some_and(|number| is_right(piece, number, scene)),
    };
    match is_right {
        true => compare(pieces, input, from + len, scene),
        false => Match::Differs(from),
    }
}

fn go_on(compared: Match, pieces: &[Piece], input: &[u8], from: usize, scene: &mut Scene) -> Match {
    match compared {
        Match::Whole(len) => compare(pieces, input, from + len, scene),
        Match::More => Match::More,
        Match::Differs(at) => Match::Differs(from + at),
    }
}

fn compare_bytes(input: &[u8], expected: &[u8]) -> Match {
    let same = input.iter().zip(expected).take_while(|(a, b)| a == b).count();
    match same {
        _ if same == expected.len() => Match::Whole(same),
        _ if same == input.len() => Match::More,
        _ => Match::Differs(same),
    }
}

/// Tries every place where what follows could begin, nearest first.
fn compare_anything(pieces: &[Piece], input: &[u8], from: usize, scene: &mut Scene) -> Match {
    for at in from..=input.len() {
        let mut seen = scene.clone();
        if let Match::Whole(len) = compare(pieces, input, at, &mut seen) {
            *scene = seen;
            return Match::Whole(len);
        }
    }
    Match::More
}

fn is_right(piece: &Piece, number: u64, scene: &mut Scene) -> bool {
    let is_near = |wanted: u64| (wanted.saturating_sub(SECONDS_LATE)..=wanted + SECONDS_EARLY).contains(&number);
    match piece {
        Piece::Number(name, plus) => scene.bind(name, number.wrapping_sub(plus.cast_unsigned())),
        Piece::Near(seconds) => is_near(*seconds),
        Piece::Now(plus) => is_near(scene.now.wrapping_add_signed(*plus)),
        _ => false,
    }
}

/// The byte, and how many characters behind the backslash say it.
fn read_escape(text: &str) -> Result<(u8, usize), String> {
    let wrong = || format!("an unknown escape: \\{text}");
    match text.bytes().next().ok_or_else(wrong)? {
        b'r' => Ok((b'\r', 1)),
        b'n' => Ok((b'\n', 1)),
        b't' => Ok((b'\t', 1)),
        b'0' => Ok((0, 1)),
        b's' => Ok((b' ', 1)),
        byte @ (b'\\' | b'<' | b'"') => Ok((byte, 1)),
        b'x' => {
            let byte = text.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?;
            Ok((byte, 3))
        }
        _ => Err(wrong()),
    }
}

fn read_gap(text: &str) -> Result<Piece, String> {
    let wrong = || format!("an unknown gap: <{text}>");
    match text {
        "word" => return Ok(Piece::Word),
        "..." => return Ok(Piece::Anything),
        "version" => return Ok(Piece::Version),
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix('~') {
        return seconds.parse().map(Piece::Near).map_err(|_| wrong());
    }
    if let Some((byte, times)) = text.split_once('*') {
        let &[byte] = byte.as_bytes() else { return Err(wrong()) };
        return times.parse().map(|times| Piece::Repeat(byte, times)).map_err(|_| wrong());
    }
    let at = text.find(['+', '-']).unwrap_or(text.len());
    let (name, plus) = text.split_at(at);
    let plus = if plus.is_empty() { 0 } else { plus.parse().map_err(|_| wrong())? };
    match name {
        "" => Err(wrong()),
        "now" => Ok(Piece::Now(plus)),
        name if name.bytes().all(|byte| byte.is_ascii_lowercase()) => Ok(Piece::Number(name.to_owned(), plus)),
        _ => Err(wrong()),
    }
}
