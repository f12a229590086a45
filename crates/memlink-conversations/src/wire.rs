/// One command as it stands in the bytes of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// All its bytes.
    pub bytes: &'a [u8],
    /// The words of its line; two spaces in a row make an empty one.
    pub words: Vec<&'a [u8]>,
    /// Its value, if it carries one.
    pub value: Option<&'a [u8]>,
}

/// Divides well-formed bytes into commands. `None` for bytes that a careful client never writes: the server's own reading
/// of those is what the table is about.
#[must_use]
pub fn asked(mut bytes: &[u8]) -> Option<Vec<Asked<'_>>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let line_len = line_len(bytes)?;
        let words: Vec<&[u8]> = bytes.get(..line_len - 2)?.split(|byte| *byte == b' ').collect();
        let mut len = line_len;
        let mut value = None;
        if words.first() == Some(&&b"ms"[..]) {
            let value_len: usize = std::str::from_utf8(words.get(2)?).ok()?.parse().ok()?;
            value = Some(bytes.get(line_len..line_len.checked_add(value_len)?)?);
            len = line_len.checked_add(value_len)?.checked_add(2)?;
            if bytes.get(len - 2..len)? != b"\r\n" {
                return None;
            }
        }
        let (command, rest) = bytes.split_at_checked(len)?;
        all.push(Asked { bytes: command, words, value });
        bytes = rest;
    }
    Some(all)
}

/// Divides a server's bytes into replies: a line, a line and its value, or lines up to `END`. `None` when the last one is
/// not whole.
#[must_use]
pub fn units(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let len = unit_len(bytes)?;
        let (unit, rest) = bytes.split_at_checked(len)?;
        all.push(unit);
        bytes = rest;
    }
    Some(all)
}

fn unit_len(bytes: &[u8]) -> Option<usize> {
    let line_len = line_len(bytes)?;
    let mut words = bytes.get(..line_len - 2)?.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let value_end = |word: Option<&[u8]>| {
        let len: usize = std::str::from_utf8(word?).ok()?.parse().ok()?;
        line_len.checked_add(len)?.checked_add(2)
    };
    match words.next() {
        Some(b"VA") => value_end(words.next()),
        Some(b"VALUE") => {
            let end = value_end(words.nth(2))?;
            Some(end + unit_len(bytes.get(end..)?)?)
        }
        Some(b"STAT") => Some(line_len + unit_len(bytes.get(line_len..)?)?),
        _ => Some(line_len),
    }
}

/// Length of the first line, its end included.
fn line_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2)
}
