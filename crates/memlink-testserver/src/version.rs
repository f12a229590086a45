//! Which memcached is spoken.

/// The release of memcached whose replies are given.
///
/// Only these two are modelled, since only these two were measured command by
/// command: the newest release, and the one Debian 12 ships. Each differs from
/// the other in its parser, in its number formats and in a few flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Version {
    /// memcached 1.6.18, as Debian 12 ships it: the old parser, numbers read
    /// by `strtol`, and neither `E` nor `x`.
    V1_6_18,
    /// memcached 1.6.45: the parser of 1.6.40 and strict numbers.
    #[default]
    V1_6_45,
}

impl Version {
    /// The text that the `version` command and `stats` show.
    pub const fn text(self) -> &'static str {
        match self {
            Version::V1_6_18 => "1.6.18",
            Version::V1_6_45 => "1.6.45",
        }
    }

    /// Reads the text form, `1.6.18` or `1.6.45`.
    pub fn from_text(text: &str) -> Option<Version> {
        match text {
            "1.6.18" => Some(Version::V1_6_18),
            "1.6.45" => Some(Version::V1_6_45),
            _ => None,
        }
    }

    /// Whether this is the parser that 1.6.40 brought. Everything that differs
    /// between the two versions asks this one question, because no release in
    /// between is modelled.
    pub(crate) const fn is_modern(self) -> bool {
        matches!(self, Version::V1_6_45)
    }
}
