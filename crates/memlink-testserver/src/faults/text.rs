//! Faults as text: `what[=value][,condition[=value]]…`.

use super::fault::{Arrival, At, Cut, Edit, Fault, Pace, What};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// Reads the form that is written; the error says in words what is wrong.
///
/// Texts may hold `\r`, `\n`, `\t`, `\\` and `\xHH`; a comma is `\x2c`. Times
/// are `10ms`, `1s`, `500us`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let mut parts = text.split(',');
        let fault = what(parts.next().unwrap_or_default())?;
        parts.try_fold(fault, condition)
    }
}

fn what(part: &str) -> Result<Fault, String> {
    let (name, value) = name_and_value(part);
    if let Some((_, plain)) = PLAIN.iter().find(|(known, _)| *known == name) {
        return if value.is_none() { Ok(plain()) } else { Err(format!("{name} takes no value")) };
    }
    let value = value.ok_or_else(|| match KNOWN_WITH_VALUE.contains(&name) {
        true => format!("{name} wants a value"),
        false => format!("there is no fault {name:?}"),
    })?;
    Ok(match name {
        "banner" => Fault::banner(bytes(value)?),
        "connections-max" => Fault::connections_max(number(name, value)?),
        "delay" => match value.split_once("..") {
            Some((least, most)) => Fault::delay_between(time(least)?..=time(most)?),
            None => Fault::delay(time(value)?),
        },
        "trickle" => {
            let (bytes, every) = two(name, value)?;
            Fault::trickle(number(name, bytes)?, time(every)?)
        }
        "coalesce" => Fault::coalesce(time(value)?),
        "throttle" => Fault::throttle(number(name, value)?),
        "error-line" => Fault::error_line(bytes(value)?),
        "instead" => Fault::instead(bytes(value)?),
        "garbage" => Fault::garbage(number(name, value)?),
        "wrong-length" => Fault::wrong_length(number(name, value)?),
        "line-before" => Fault::line_before(bytes(value)?),
        "line-after" => Fault::line_after(bytes(value)?),
        "stray" => {
            let (after, text) = two(name, value)?;
            Fault::stray(bytes(text)?, time(after)?)
        }
        "idle-close" => Fault::idle_close(time(value)?),
        "flap" => {
            let (up, down) = two(name, value)?;
            Fault::flap(time(up)?, time(down)?)
        }
        _ => return Err(format!("there is no fault {name:?}")),
    })
}

type Plain = fn() -> Fault;

const PLAIN: &[(&str, Plain)] = &[
    ("refuse", Fault::refuse),
    ("reset-on-connect", Fault::reset_on_connect),
    ("close-on-connect", Fault::close_on_connect),
    ("silent-on-connect", Fault::silent_on_connect),
    ("freeze", Fault::freeze),
    ("stop-reading", Fault::stop_reading),
    ("close", Fault::close),
    ("reset", Fault::reset),
    ("half-close", Fault::half_close),
    ("kill", Fault::kill),
    ("restart", Fault::restart),
    ("lose", Fault::lose),
    ("no-line-end", Fault::no_line_end),
    ("duplicate", Fault::duplicate),
    ("swallow", Fault::swallow),
    ("swap", Fault::swap),
    ("wrong-opaque", Fault::wrong_opaque),
];

const KNOWN_WITH_VALUE: &[&str] = &[
    "banner",
    "connections-max",
    "delay",
    "trickle",
    "coalesce",
    "throttle",
    "error-line",
    "instead",
    "garbage",
    "wrong-length",
    "line-before",
    "line-after",
    "stray",
    "idle-close",
    "flap",
];

fn condition(fault: Fault, part: &str) -> Result<Fault, String> {
    let (name, value) = name_and_value(part);
    let is_cut = matches!(fault.what, What::Cut { .. });
    if matches!(name, "in-reply" | "in-stream" | "anywhere") && !is_cut {
        return Err(format!("{name} is for freeze, close, reset, half-close, kill and restart"));
    }
    match (name, value) {
        ("once", None) => Ok(fault.once()),
        ("anywhere", None) => Ok(fault.anywhere()),
        ("once" | "anywhere", Some(_)) => Err(format!("{name} takes no value")),
        ("in-reply", Some(value)) => Ok(fault.in_reply(number(name, value)?)),
        ("in-stream", Some(value)) => Ok(fault.in_stream(number(name, value)?)),
        ("verb", Some(value)) => Ok(fault.verb(bytes(value)?)),
        ("key-prefix", Some(value)) => Ok(fault.key_prefix(bytes(value)?)),
        ("after", Some(value)) => Ok(fault.after(number(name, value)?)),
        ("every", Some(value)) => Ok(fault.every(number(name, value)?)),
        ("times", Some(value)) => Ok(fault.times(number(name, value)?)),
        ("chance", Some(value)) => Ok(fault.chance(number(name, value)?)),
        _ => Err(format!("there is no condition {part:?}")),
    }
}

fn name_and_value(part: &str) -> (&str, Option<&str>) {
    match part.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value)),
        None => (part.trim(), None),
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| format!("{name} wants a number, not {value:?}"))
}

fn two<'a>(name: &str, value: &'a str) -> Result<(&'a str, &'a str), String> {
    value.split_once('/').ok_or_else(|| format!("{name} wants two values with a slash between them, not {value:?}"))
}

/// The units from large to small, with their length in nanoseconds.
const UNITS: &[(&str, u64)] = &[("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

fn time(value: &str) -> Result<Duration, String> {
    let value = value.trim();
    let wrong = || format!("a time is written 10ms, 1s or 500us, not {value:?}");
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = value.get(digits.len()..).unwrap_or_default();
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(*nanos).map(Duration::from_nanos).ok_or_else(wrong)
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, len) = match rest {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => {
                (hexadecimal(*high, *low).ok_or_else(|| format!("no hexadecimal byte in {text:?}"))?, 3)
            }
            _ => return Err(format!("a backslash stands before r, n, t, x or another one, not so in {text:?}")),
        };
        bytes.push(byte);
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(bytes)
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |letter: u8| char::from(letter).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

impl Display for Fault {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Refuse => out.write_str("refuse"),
            What::Arrival(Arrival::Reset) => out.write_str("reset-on-connect"),
            What::Arrival(Arrival::Close) => out.write_str("close-on-connect"),
            What::Arrival(Arrival::Silent) => out.write_str("silent-on-connect"),
            What::Arrival(Arrival::Banner(line)) => write!(out, "banner={}", Line(line)),
            What::ConnectionsMax(most) => write!(out, "connections-max={most}"),
            What::Pace(pace) => write_pace(pace, out),
            What::Throttle(commands) => write!(out, "throttle={commands}"),
            What::Cut { cut, at } => write_cut(*cut, *at, out),
            What::Lose => out.write_str("lose"),
            What::ErrorLine(line) => write!(out, "error-line={}", Line(line)),
            What::Edit(edit) => write_edit(edit, out),
            What::Stray { bytes, after } => write!(out, "stray={}/{}", Time(*after), Text(bytes)),
            What::IdleClose(after) => write!(out, "idle-close={}", Time(*after)),
            What::Flap { up, down } => write!(out, "flap={}/{}", Time(*up), Time(*down)),
        }?;
        self.write_conditions(out)
    }
}

impl Fault {
    fn write_conditions(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let when = &self.when;
        if let Some(verb) = &when.verb {
            write!(out, ",verb={}", Text(verb))?;
        }
        if let Some(prefix) = &when.key_prefix {
            write!(out, ",key-prefix={}", Text(prefix))?;
        }
        if when.after > 0 {
            write!(out, ",after={}", when.after)?;
        }
        if when.every > 1 {
            write!(out, ",every={}", when.every)?;
        }
        if when.chance < 1.0 {
            write!(out, ",chance={}", when.chance)?;
        }
        match when.times {
            u64::MAX => Ok(()),
            1 => out.write_str(",once"),
            times => write!(out, ",times={times}"),
        }
    }
}

fn write_pace(pace: &Pace, out: &mut Formatter<'_>) -> fmt::Result {
    match pace {
        Pace::Delay(range) if range.start() == range.end() => write!(out, "delay={}", Time(*range.start())),
        Pace::Delay(range) => write!(out, "delay={}..{}", Time(*range.start()), Time(*range.end())),
        Pace::Trickle { bytes, every } => write!(out, "trickle={bytes}/{}", Time(*every)),
        Pace::Coalesce(window) => write!(out, "coalesce={}", Time(*window)),
    }
}

fn write_cut(cut: Cut, at: At, out: &mut Formatter<'_>) -> fmt::Result {
    out.write_str(match (cut, at) {
        (Cut::Freeze, At::ReplyEnd) => return out.write_str("stop-reading"),
        (Cut::Freeze, _) => "freeze",
        (Cut::Close, _) => "close",
        (Cut::Reset, _) => "reset",
        (Cut::HalfClose, _) => "half-close",
        (Cut::Kill, _) => "kill",
        (Cut::Restart, _) => "restart",
    })?;
    match at {
        At::Reply(0) | At::ReplyEnd => Ok(()),
        At::Reply(byte) => write!(out, ",in-reply={byte}"),
        At::Stream(byte) => write!(out, ",in-stream={byte}"),
        At::Anywhere => out.write_str(",anywhere"),
    }
}

fn write_edit(edit: &Edit, out: &mut Formatter<'_>) -> fmt::Result {
    match edit {
        Edit::Instead(bytes) => write!(out, "instead={}", Text(bytes)),
        Edit::Garbage(len) => write!(out, "garbage={len}"),
        Edit::WrongLength(by) => write!(out, "wrong-length={by}"),
        Edit::NoLineEnd => out.write_str("no-line-end"),
        Edit::LineBefore(line) => write!(out, "line-before={}", Line(line)),
        Edit::LineAfter(line) => write!(out, "line-after={}", Line(line)),
        Edit::Duplicate => out.write_str("duplicate"),
        Edit::Swallow => out.write_str("swallow"),
        Edit::Swap => out.write_str("swap"),
        Edit::WrongOpaque => out.write_str("wrong-opaque"),
    }
}

/// Bytes so that they can be read again.
struct Text<'a>(&'a [u8]);

impl Display for Text<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| match byte {
            b'\r' => out.write_str("\\r"),
            b'\n' => out.write_str("\\n"),
            b'\\' => out.write_str("\\\\"),
            b',' => out.write_str("\\x2c"),
            b' '..=b'~' => write!(out, "{}", char::from(*byte)),
            byte => write!(out, "\\x{byte:02x}"),
        })
    }
}

/// The same without the line end that was added.
struct Line<'a>(&'a [u8]);

impl Display for Line<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        Text(self.0.strip_suffix(b"\r\n").unwrap_or(self.0)).fmt(out)
    }
}

struct Time(Duration);

impl Display for Time {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        let exact = UNITS.iter().find(|(_, length)| nanos % length == 0);
        exact.map_or(Ok(()), |(name, length)| write!(out, "{}{name}", nanos / length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for text in [
            "refuse",
            "reset-on-connect,every=3",
            "close-on-connect,times=2",
            "silent-on-connect,after=1,once",
            "banner=ERROR Too many open connections",
            "connections-max=0",
            "delay=10ms",
            "delay=0s..1500us,chance=0.25",
            "trickle=1/1ms,verb=mg",
            "coalesce=5ms",
            "throttle=20000",
            "freeze",
            "freeze,in-reply=12",
            "stop-reading,once",
            "close,in-stream=4096",
            "reset,anywhere,key-prefix=user:",
            "half-close",
            "kill,after=100,once",
            "restart",
            "lose",
            "error-line=CLIENT_ERROR a\\x2c b",
            "instead=VA 9223372036854775807\\r\\n",
            "garbage=16",
            "wrong-length=-1",
            "no-line-end",
            "line-before=HD",
            "line-after=",
            "duplicate",
            "swallow",
            "swap",
            "wrong-opaque",
            "stray=10ms/\\\\\\x00\\xffEN\\r\\n",
            "idle-close=1s",
            "flap=300ms/2s",
        ] {
            let fault: Fault = text.parse().expect(text);
            assert_eq!(fault.to_string(), text);
        }
        for fault in Fault::mix(0.5) {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_in_words() {
        for (text, part) in [
            ("", "no fault"),
            ("explode", "no fault \"explode\""),
            ("explode=1", "no fault \"explode\""),
            ("delay", "wants a value"),
            ("delay=10", "a time is written"),
            ("delay=18446744073709551615s", "a time is written"),
            ("swap=1", "takes no value"),
            ("trickle=1", "two values"),
            ("throttle=fast", "wants a number"),
            ("swap,sometimes", "no condition \"sometimes\""),
            ("swap,once=1", "takes no value"),
            ("swap,in-reply=1", "is for freeze"),
            ("banner=\\q", "backslash"),
            ("banner=\\xgg", "hexadecimal"),
        ] {
            let told = text.parse::<Fault>().expect_err(text);
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
