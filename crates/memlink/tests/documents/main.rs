//! What the documents say is so: ARCHITECTURE.md of the crates, docs/defaults.md of the defaults.

mod defaults;
mod rooms;
mod walls;

use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}")).expect("the file is there")
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
