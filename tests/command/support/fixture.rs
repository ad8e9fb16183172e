//! The files under `tests/fixtures`.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where a fixture is.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A fixture in JSON.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}
