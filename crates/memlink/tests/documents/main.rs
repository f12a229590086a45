//! What the documents say is so: ARCHITECTURE.md of the crates, docs/defaults.md of the defaults.

mod defaults;
mod walls;

use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
