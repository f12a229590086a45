use alloc::{string::String, vec::Vec};

use memlink_core::{Command, Encoder, Malformed, Reply};

use super::Verb;
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer,
    expect::Shape,
    reply::{is_error, malformed, parts},
};

/// `stats [kind]\r\n`: what the server counts.
///
/// ```text
/// STAT <name> <value>\r\n    any number of these; a value may hold spaces or be empty
/// END\r\n
/// RESET\r\n                  instead, to StatsKind::Reset
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    kind: StatsKind,
}

impl Stats {
    /// The general statistics.
    #[must_use]
    pub fn new() -> Stats {
        Stats::default()
    }

    /// Statistics of one kind.
    #[must_use]
    pub fn of(kind: StatsKind) -> Stats {
        Stats { kind }
    }
}

/// Which statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum StatsKind {
    /// The general ones.
    #[default]
    General,
    /// The server's settings.
    Settings,
    /// Items by slab class.
    Items,
    /// Memory by slab class.
    Slabs,
    /// Items by size, where the server was told to track them.
    Sizes,
    /// Connections.
    Connections,
    /// Storage on flash.
    Extstore,
    /// The built-in proxy.
    Proxy,
    /// None: sets the counters back to zero.
    Reset,
}

/// Statistics in the order in which the server gave them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics(Vec<(String, String)>);

impl Statistics {
    /// The value of a statistic.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Command<Meta> for Stats {
    type Output = Result<Statistics, Fault>;

    fn size_hint(&self) -> usize {
        16
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        out.put(match self.kind {
            StatsKind::General => b"stats\r\n",
            StatsKind::Settings => b"stats settings\r\n",
            StatsKind::Items => b"stats items\r\n",
            StatsKind::Slabs => b"stats slabs\r\n",
            StatsKind::Sizes => b"stats sizes\r\n",
            StatsKind::Connections => b"stats conns\r\n",
            StatsKind::Extstore => b"stats extstore\r\n",
            StatsKind::Proxy => b"stats proxy\r\n",
            StatsKind::Reset => b"stats reset\r\n",
        });
        Expect(Shape::Stats)
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        let frames = parts(reply)?;
        let bytes = frames.first().ok_or(malformed("statistics without an end"))?.as_slice();
        let mut statistics = Vec::new();
        for line in bytes.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
            if is_error(line) {
                return Ok(Err(Fault::read(line, &[])));
            }
            if matches!(line, b"END" | b"RESET" | b"OK") {
                return Ok(Ok(Statistics(statistics)));
            }
            let line = line.strip_prefix(b"STAT ").ok_or(malformed("a line that is no statistic"))?;
            let name_len = memchr::memchr(b' ', line).unwrap_or(line.len());
            let (name, value) = (line.get(..name_len), line.get(name_len + 1..));
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            statistics.push((text(name), text(value)));
        }
        Err(malformed("statistics without an end"))
    }
}

impl Verb for Stats {
    fn prepare(&mut self, _now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        Ok(())
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn name(&self) -> &'static str {
        "stats"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn statistics_may_hold_spaces_or_nothing() {
        assert_eq!(wire(Stats::new()), "stats\r\n");
        assert_eq!(wire(Stats::of(StatsKind::Settings)), "stats settings\r\n");
        let said = answer(&Stats::new(), "STAT pid 7\r\nSTAT inter \r\nSTAT line a b\r\nEND\r\n").unwrap();
        assert_eq!(said.iter().collect::<Vec<_>>(), [("pid", "7"), ("inter", ""), ("line", "a b")]);
        assert_eq!((said.get("line"), said.get("none"), said.len()), (Some("a b"), None, 3));
        assert!(answer(&Stats::new(), "END\r\n").unwrap().is_empty());
        assert!(answer(&Stats::of(StatsKind::Reset), "RESET\r\n").unwrap().is_empty());
        assert!(answer(&Stats::new(), "ERROR\r\n").is_err());
    }
}
