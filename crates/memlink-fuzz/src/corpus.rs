//! Inputs as text: one a line, with what is not printable escaped, so that a change to a corpus can be read.

/// Where the corpora lie.
#[must_use]
pub fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The inputs of a target. Empty lines and those that begin with `//` are for readers.
///
/// # Errors
///
/// The file cannot be read, or has a line that no [`escape`] has written.
pub fn read(target: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let path = folder().join(format!("{target}.txt"));
    let text = std::fs::read_to_string(&path)?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines
        .map(|line| {
            let wrong = || std::io::Error::other(format!("{}: no input: {line}", path.display()));
            unescape(line).ok_or_else(wrong)
        })
        .collect()
}

/// Inputs as the text of a corpus.
#[must_use]
pub fn write(target: &str, inputs: &[Vec<u8>]) -> String {
    let mut text = format!("// Inputs of the target {target}, one a line: see docs/fuzzing.md.\n");
    for input in inputs {
        text.push_str(&escape(input));
        text.push('\n');
    }
    text
}

/// One line for any bytes.
#[must_use]
pub fn escape(input: &[u8]) -> String {
    // An empty line and one that begins as a remark does are none.
    match input {
        [] => "\\x".to_owned(),
        [b'/', rest @ ..] => format!("\\x2f{}", rest.escape_ascii()),
        _ => input.escape_ascii().to_string(),
    }
}

/// The bytes of a line.
#[must_use]
pub fn unescape(line: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), line.as_bytes());
    if line == "\\x" {
        return Some(bytes);
    }
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (letter, behind) = rest.split_first()?;
        rest = behind;
        bytes.push(match letter {
            b't' => b'\t',
            b'r' => b'\r',
            b'n' => b'\n',
            b'\'' | b'"' | b'\\' => *letter,
            b'x' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                rest = rest.get(2..)?;
                u8::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_a_line() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for input in [&b""[..], b"// no remark", b"\\x", b"mg a\r\n", &all] {
            let line = escape(input);
            assert!(!line.contains('\n') && !line.is_empty() && !line.starts_with("//"), "{line}");
            assert_eq!(unescape(&line).as_deref(), Some(input), "{line}");
        }
        assert_eq!(unescape("a\\q"), None);
        assert_eq!(unescape("\\x0"), None);
    }
}
