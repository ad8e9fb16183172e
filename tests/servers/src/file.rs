//! A server's configuration files and logs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::ServerError;

/// Enough lines of a log to see why a server ended.
const TAIL_LINES: usize = 30;

/// Writes a file that only its owner can read, which Erlang requires for its cookie.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), ServerError> {
    let doing = || format!("write {}", path.display());
    fs::write(path, text).map_err(ServerError::io(doing()))?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(ServerError::io(doing()))
}

/// The last lines of a log; empty if there is no log.
pub(crate) fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
