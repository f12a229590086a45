use alloc::{boxed::Box, format};
use core::fmt;

use memlink_core::Unsupported;

/// A version of memcached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 1 in every memcached so far.
    pub major: u16,
    /// 6 in every memcached that speaks the meta protocol.
    pub minor: u16,
    /// Counts the releases.
    pub patch: u16,
}

impl Version {
    /// The oldest version whose meta commands are the ones spoken here: 1.6.10 changed the status words and the form of
    /// `ms`.
    pub const OLDEST: Version = Version::new(1, 6, 10);

    /// Puts a version together.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Version {
        Version { major, minor, patch }
    }

    /// Reads what a server says of itself: three numbers divided by dots, and behind them anything that does not
    /// continue the last number (`1.6.18`, `1.6.45-beta`, `1.6.12_custom`). `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.trim().splitn(3, '.');
        let (major, minor) = (parts.next()?, parts.next()?);
        let rest = parts.next()?;
        let patch = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse().ok(),
            false => None,
        };
        Some(Version::new(number(major)?, number(minor)?, number(patch)?))
    }

    /// Whether this can be read as memcached's own numbering. Proxies put their own versions there, and a proxy's 38.0
    /// says nothing of the flags it passes on.
    pub(crate) fn is_of_memcached(self) -> bool {
        self.major == 1
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What came later than [`Version::OLDEST`] and is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// `ms` returns the right CAS id for flag `c`. Since 1.6.13.
    SetReturnsCas,
    /// Hints for proxies, flags `P` and `L`. Since 1.6.14.
    ProxyHints,
    /// A miss echoes the opaque, and `mg` may stand without flags. Since 1.6.18.
    OpaqueOnMiss,
    /// `ms` returns the size for flag `s`. Since 1.6.20.
    SetReturnsSize,
    /// Append and prepend may create the item, flag `N`. Since 1.6.20.
    VivifyOnAppend,
    /// A CAS id chosen by the client, flag `E`. Since 1.6.27.
    CasOverride,
    /// `md` that keeps an empty item, flag `x`. Since 1.6.27.
    DropValue,
    /// `mg` that leaves out a value that has not changed, flag `C`. Since 1.6.40.
    ConditionalGet,
}

impl Feature {
    /// The first version that has it.
    #[must_use]
    pub const fn since(self) -> Version {
        let patch = match self {
            Feature::SetReturnsCas => 13,
            Feature::ProxyHints => 14,
            Feature::OpaqueOnMiss => 18,
            Feature::SetReturnsSize | Feature::VivifyOnAppend => 20,
            Feature::CasOverride | Feature::DropValue => 27,
            Feature::ConditionalGet => 40,
        };
        Version::new(1, 6, patch)
    }

    fn describe(self) -> &'static str {
        match self {
            Feature::SetReturnsCas => "returning the CAS id of a set",
            Feature::ProxyHints => "a hint for proxies",
            Feature::OpaqueOnMiss => "an opaque on misses",
            Feature::SetReturnsSize => "returning the size of a set",
            Feature::VivifyOnAppend => "creating an item by append or prepend",
            Feature::CasOverride => "choosing the CAS id",
            Feature::DropValue => "dropping the value of an item",
            Feature::ConditionalGet => "a get that leaves out an unchanged value",
        }
    }
}

/// What the opening exchange learned about the server, and how it is to be spoken to.
#[derive(Debug, Clone)]
pub struct Peer {
    version: Version,
    text: Box<str>,
    opaque: bool,
    /// A miss may come without its opaque. Known for every command, so it is found out once.
    bare_miss: bool,
}

impl Peer {
    /// A server of this version: for tests and tools. A connection learns its own.
    #[must_use]
    pub fn new(version: Version) -> Peer {
        Peer::named(version, &format!("{version}"), true)
    }

    /// A server that named itself `text` and is treated as `version`.
    pub(crate) fn named(version: Version, text: &str, opaque: bool) -> Peer {
        let bare_miss = version < Feature::OpaqueOnMiss.since();
        Peer { version, text: text.into(), opaque, bare_miss }
    }

    /// The same server, spoken to without opaques.
    #[must_use]
    pub fn without_opaque(self) -> Peer {
        Peer { opaque: false, ..self }
    }

    /// The version whose features are relied upon: the one it named, [`Version::OLDEST`] where that could not be
    /// understood, or the one that was configured.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// What the server answered to `version`, for people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether commands carry an opaque.
    #[must_use]
    #[inline]
    pub fn opaque(&self) -> bool {
        self.opaque
    }

    /// Whether a miss may come without its opaque.
    #[inline]
    pub(crate) fn bare_miss(&self) -> bool {
        self.bare_miss
    }

    /// Whether the server has `feature`.
    #[must_use]
    #[inline]
    pub fn has(&self, feature: Feature) -> bool {
        self.version >= feature.since()
    }

    /// Refuses what needs `feature` on a server without it.
    pub(crate) fn need(&self, feature: Feature) -> Result<(), Unsupported> {
        if self.has(feature) {
            return Ok(());
        }
        let (what, since, text) = (feature.describe(), feature.since(), &self.text);
        Err(Unsupported { what: format!("{what} needs memcached {since} or newer, this server says {text}") })
    }

    /// Refuses a quiet command where opaques are off: its reply, if one comes, could not be told from another's.
    pub(crate) fn need_opaque(&self) -> Result<(), Unsupported> {
        if self.opaque {
            return Ok(());
        }
        Err(Unsupported { what: "a quiet command needs opaques, which are switched off for this connection".into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_what_people_put_behind_them() {
        let v = |patch| Some(Version::new(1, 6, patch));
        let cases = [
            ("1.6.18", v(18)),
            ("1.6.45-beta", v(45)),
            ("1.6.12_custom", v(12)),
            ("1.6.9-7.gabc", v(9)),
            ("1.6.22.1", v(22)),
            (" 1.6.18 ", v(18)),
            ("1.6", None),
            ("1.6.", None),
            ("1.6.x", None),
            ("", None),
            ("UNKNOWN", None),
            ("mcrouter 38.0.0", None),
            ("1.+6.18", None),
            ("1.6.99999", None),
        ];
        for (text, want) in cases {
            assert_eq!(Version::parse(text), want, "{text:?}");
        }
        assert!(Version::new(1, 7, 0) > Version::new(1, 6, 45));
    }

    #[test]
    fn a_bare_miss_comes_from_the_old_only() {
        let may_be_bare = |patch| Peer::new(Version::new(1, 6, patch)).bare_miss();
        assert_eq!([10, 17, 18, 45].map(may_be_bare), [true, true, false, false]);
    }

    #[test]
    fn what_is_lacking_is_said_with_both_versions() {
        let peer = Peer::new(Version::new(1, 6, 18));
        assert!(peer.has(Feature::OpaqueOnMiss));
        let said = peer.need(Feature::CasOverride).unwrap_err().what;
        assert_eq!(said, "choosing the CAS id needs memcached 1.6.27 or newer, this server says 1.6.18");
    }
}
