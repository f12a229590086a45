//! Which part of a key is hashed.

use alloc::boxed::Box;

/// The part of a key that decides where it lives.
///
/// Keys that agree in that part live together. Each rule is one client's, with its corner cases; a scheme starts with the
/// rule of its client, and any rule can be given to any scheme by [`Scheme::hashed_part`](super::Scheme::hashed_part).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPart {
    /// All of it.
    Whole,

    /// twemproxy's `hash_tag`: what stands between the first `open` and the first `close` after it, if that is not
    /// empty; else the whole key. Golden file: `twemproxy_ketama_fnv1a_64_hashtag`.
    Tag {
        /// The character before the tag, commonly `{`.
        open: u8,
        /// The character after it, commonly `}`.
        close: u8,
    },

    /// The filter `tags` of memcached's proxy: as [`KeyPart::Tag`], but an **empty tag hashes the empty string**, so that all
    /// keys with `{}` share one server. (Two equal characters break the original; here the second of them ends the tag.)
    /// Golden file: `memcached_proxy_jump_tag_braces`.
    TagOrEmpty {
        /// The character before the tag.
        open: u8,
        /// The character after it.
        close: u8,
    },

    /// The filter `stop` of memcached's proxy: what stands before the first occurrence of this text; the whole key if there
    /// is none, if a NUL comes before it, or if the key is longer than 250 bytes. Golden file:
    /// `memcached_proxy_jump_stop_pipe`.
    Stop(Box<[u8]>),

    /// EVCache's `hash.on.partial.key`: what stands before the first occurrence of this text, unless the key begins with it;
    /// else the whole key. Golden file: `evcache_ketama_partial_key`.
    Partial(Box<[u8]>),

    /// mcrouter's: the key without a routing prefix, `/` and two words with a `/` each (`/region/cluster/`), and without
    /// everything from the first `|#|`. What mcrouter's schemes start with. Golden files: all of `mcrouter_*`.
    Mcrouter,
}

impl KeyPart {
    pub(super) fn of<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        match self {
            KeyPart::Whole => key,
            KeyPart::Tag { open, close } => tag(key, *open, *close).filter(|tag| !tag.is_empty()).unwrap_or(key),
            KeyPart::TagOrEmpty { open, close } => tag(key, *open, *close).unwrap_or(key),
            KeyPart::Stop(delimiter) if key.len() <= KEY_LEN_MAX => {
                let text = key.split(|byte| *byte == 0).next().unwrap_or(key);
                find(text, delimiter).map_or(key, |(before, _)| before)
            }
            KeyPart::Stop(_) => key,
            KeyPart::Partial(delimiter) => match find(key, delimiter) {
                Some((before, _)) if !before.is_empty() => before,
                _ => key,
            },
            KeyPart::Mcrouter => {
                let key = without_route(key).unwrap_or(key);
                find(key, b"|#|").map_or(key, |(before, _)| before)
            }
        }
    }
}

/// memcached's limit, at which libmemcached and memcached's proxy do something else.
const KEY_LEN_MAX: usize = 250;

fn tag(key: &[u8], open: u8, close: u8) -> Option<&[u8]> {
    let (_, after) = split(key, open)?;
    split(after, close).map(|(tag, _)| tag)
}

fn without_route(key: &[u8]) -> Option<&[u8]> {
    let (_, region) = split(key.strip_prefix(b"/")?, b'/')?;
    split(region, b'/').map(|(_, key)| key)
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// What stands before and after the first `needle`. An empty one is at the beginning of everything.
fn find<'t>(text: &'t [u8], needle: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    if needle.is_empty() {
        return Some(text.split_at(0));
    }
    let place = text.windows(needle.len()).position(|window| window == needle)?;
    Some((text.get(..place)?, text.get(place + needle.len()..)?))
}

/// A text that all keys begin with on the wire, also called namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prefix {
    None,
    /// Comes before the key, and is hashed with it.
    Hashed(Box<[u8]>),
    /// The key begins with it, and is hashed without it.
    Skipped(Box<[u8]>),
}

/// Calls `then` with the two texts as one. Keys that can be sent need no memory for it.
pub(super) fn joined<R>(first: &[u8], second: &[u8], then: impl FnOnce(&[u8]) -> R) -> R {
    let mut short = [0; 2 * KEY_LEN_MAX];
    let len = first.len() + second.len();
    match short.get_mut(..len) {
        Some(text) => {
            let (head, tail) = text.split_at_mut(first.len());
            head.copy_from_slice(first);
            tail.copy_from_slice(second);
            then(text)
        }
        None => then(&[first, second].concat()),
    }
}

/// The hash of prefix and key as libmemcached makes it with `HASH_WITH_PREFIX_KEY`.
///
/// Both together in 250 bytes at most, else the hash is 0. The key is copied as a C string, so from its first NUL on it is all
/// NULs.
pub(super) fn libmemcached_prefixed(prefix: &[u8], key: &[u8], hash: fn(&[u8]) -> u32) -> u32 {
    let mut whole = [0; KEY_LEN_MAX];
    let Some(whole) = whole.get_mut(..prefix.len() + key.len()) else {
        return 0;
    };
    let text = key.split(|byte| *byte == 0).next().unwrap_or(key);
    for (to, from) in whole.iter_mut().zip(prefix.iter().chain(text)) {
        *to = *from;
    }
    hash(whole)
}
