//! One target in a file each, but for the engine, which has a room of its own.

pub(crate) mod commands;
pub(crate) mod discovery;
pub(crate) mod replies;
pub(crate) mod resp;
pub(crate) mod session;
pub(crate) mod urls;
pub(crate) mod verdicts;
