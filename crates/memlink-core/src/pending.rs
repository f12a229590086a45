use alloc::collections::VecDeque;

use crate::waiters::Token;

/// One command in the order of a connection.
///
/// Its token names who waits. When that caller leaves (cancelled, timed out) the token names nobody and the entry is
/// *abandoned*: nothing else changes, because the server will answer all the same and that answer must be eaten here and by
/// nobody else. An entry leaves the order by its reply or with the connection, never by its caller's departure. Abandoned
/// entries are bounded in number and age ([`Limits`](crate::Limits)).
#[derive(Debug)]
pub(crate) struct Entry<E> {
    pub(crate) token: Token,
    pub(crate) serial: u64,
    pub(crate) expect: E,
    /// Offset of its first byte within the chunk it was encoded into.
    pub(crate) start: usize,
    /// Offset of the byte after its last one.
    pub(crate) end: usize,
    /// Somebody has it in hands for writing, so a caller who leaves from now on is counted as having abandoned it.
    pub(crate) is_placed: bool,
}

/// The commands that have left and whose replies are owed, oldest first.
///
/// ```text
///      head                                      tail
///   [ A ][ B, abandoned ][ C ][ D ] <--- written commands
///     ^
///     '--- the next reply is A's, whoever waits for it
/// ```
pub(crate) type Pending<E> = VecDeque<Entry<E>>;
