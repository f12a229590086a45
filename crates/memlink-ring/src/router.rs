/// Chooses the server of a key.
///
/// [`Ring`](crate::Ring) is the default. Implement this to route in another way: by a prefix of the key, like another
/// client in the same fleet, or by [`Ring`](crate::Ring) over a part of the key.
///
/// ```
/// use memlink_ring::{Ring, Router};
///
/// /// Keeps `user:1:name` and `user:1:mail` on one server.
/// struct ByUser(Ring);
///
/// impl Router for ByUser {
///     fn route(&self, key: &[u8]) -> usize {
///         let end = key.iter().rposition(|byte| *byte == b':').unwrap_or(key.len());
///         self.0.route(&key[..end])
///     }
/// }
///
/// let router = ByUser(Ring::new([("cache-1", 1), ("cache-2", 1)])?);
/// assert_eq!(router.route(b"user:1:name"), router.route(b"user:1:mail"));
/// # Ok::<(), memlink_ring::RingError>(())
/// ```
pub trait Router: Send + Sync {
    /// The server of `key`, as an index into the list of servers this router was made for, hence below its length.
    ///
    /// Called for every command, so it must not block, and must give the same answer to the same key for as long as
    /// the router lives: the answer says where a value was stored.
    fn route(&self, key: &[u8]) -> usize;
}
