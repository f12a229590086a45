//! Every bound in one place.
//!
//! Those that a client can see are memcached's own; the others keep this
//! server's memory in hand and are marked as ours.

/// The longest key in bytes, measured on the token as it was sent.
pub(crate) const KEY_LEN_MAX: usize = 250;

/// Once this many bytes are buffered without a line end, the connection is
/// closed without a word, unless they begin a `get` or `gets`.
pub(crate) const LINE_LEN_MAX: usize = 2048;

/// Ours: where even a `get` line ends. memcached has no bound here. Large
/// enough for more than 30,000 keys of full length.
pub(crate) const GET_LINE_LEN_MAX: usize = 8 * 1024 * 1024;

/// The longest opaque token, its letter included.
pub(crate) const OPAQUE_LEN_MAX: usize = 32;

/// How many tokens a meta line may have. 1.6.18 counts the line's end too.
pub(crate) const META_TOKENS_MAX: usize = 20;

/// How many tokens the tokenizers look at; what follows is not seen.
pub(crate) const TOKENS_MAX: usize = 23;

/// The largest length of a value that a line may announce.
pub(crate) const VALUE_LEN_MAX: i32 = i32::MAX - 2;

/// Relative times end here, at 30 days; anything larger is a date.
pub(crate) const RELATIVE_TIME_MAX_S: i64 = 60 * 60 * 24 * 30;

/// memcached pretends to have started this long before it did, so that no
/// running time is ever zero. It shows where a deadline of long ago is printed
/// as time left.
pub(crate) const UPTIME_HEAD_START_S: u64 = 62;

/// How much of that head start `stats` hides.
pub(crate) const UPTIME_HIDDEN_S: u32 = 60;

/// The longest authentication payload (1.6.42 and later).
pub(crate) const AUTH_LEN_MAX: u32 = 16 * 1024;

/// The shortest line that is answered before authentication (1.6.44 and later).
pub(crate) const AUTH_LINE_LEN_MIN: usize = 6;

/// How many commands are answered before replies are written (`-R`).
pub(crate) const COMMANDS_PER_WRITE: u32 = 20;

/// Ours: replies are handed to the socket once this many bytes have gathered,
/// so that a `get` of many large values cannot hold them all at once.
pub(crate) const REPLY_BYTES_HIGH: usize = 1024 * 1024;

/// Ours: how many commands the record keeps before it stops recording.
pub(crate) const RECORD_LEN_MAX: usize = 100_000;

/// Ours: how much of a command line the record keeps.
pub(crate) const RECORD_LINE_LEN_MAX: usize = LINE_LEN_MAX;

/// The largest answer of `stats cachedump`.
pub(crate) const CACHEDUMP_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Ours: how many key prefixes `stats detail` counts.
pub(crate) const PREFIXES_MAX: usize = 10_000;
