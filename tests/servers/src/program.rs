//! Finds the server programs on this machine.

use std::env;
use std::path::{Path, PathBuf};

use crate::ServerError;

/// Debian's folder of RabbitMQ's original scripts. It comes before the path, where Debian's wrapper scripts change the
/// user and refuse everyone but root and `rabbitmq`.
const RABBITMQ_SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

/// Folders that are often not on the path: those of system programs and Homebrew.
const OTHER_FOLDERS: [&str; 5] =
    ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/opt/homebrew/sbin", "/usr/local/bin"];

/// The folder with `rabbitmq-server` and `rabbitmqctl`.
pub(crate) fn rabbitmq_scripts() -> Result<PathBuf, ServerError> {
    let missing =
        || ServerError::NotInstalled { program: "RabbitMQ", package: "rabbitmq-server (apt) or rabbitmq (brew)" };
    let server = find("rabbitmq-server").ok_or_else(missing)?;
    server.parent().map(Path::to_owned).ok_or_else(missing)
}

/// Redis or, if only that is installed, Valkey, which has the same protocol.
pub(crate) fn redis_server() -> Result<PathBuf, ServerError> {
    let found = find("redis-server").or_else(|| find("valkey-server"));
    found.ok_or(ServerError::NotInstalled { program: "Redis", package: "redis-server (apt) or redis (brew)" })
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from(RABBITMQ_SCRIPTS)].into_iter().chain(env::split_paths(&path));
    let folders = folders.chain(OTHER_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
