//! Where an operator keeps a key.

use std::path::PathBuf;

/// Where the operator keeps a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::provider) enum KeySource {
    Variable(String),
    File(PathBuf),
}
