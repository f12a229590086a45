//! Watches that the engine drops nothing of its users' while it works: it would do so under the lock of whoever shares it.

use std::cell::Cell;

use bytes::Bytes;

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    static DROPPED: Cell<usize> = const { Cell::new(0) };
}

/// Runs a method of the connection that would run under a lock.
pub(crate) fn inside<R>(work: impl FnOnce() -> R) -> R {
    IS_INSIDE.set(true);
    let result = work();
    IS_INSIDE.set(false);
    assert_eq!(DROPPED.get(), 0, "a waiter or a value was dropped inside");
    result
}

fn note_drop() {
    if IS_INSIDE.get() && !std::thread::panicking() {
        DROPPED.set(DROPPED.get() + 1);
    }
}

/// Whoever waits: its number.
#[derive(Debug)]
pub(crate) struct Waiter(pub(crate) usize);

impl Drop for Waiter {
    fn drop(&mut self) {
        note_drop();
    }
}

#[derive(Debug)]
struct Watched(Bytes);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        note_drop();
    }
}

/// The same bytes, with somebody who watches where their last owner drops them. Short ones are copied by the encoder, which
/// drops its own handle at once; they are not watched.
pub(crate) fn watched(bytes: Bytes) -> Bytes {
    if bytes.len() < memlink_core::Encoder::SHARED_MIN { bytes } else { Bytes::from_owner(Watched(bytes)) }
}
