//! Who this process is, for the other processes of its runs, and who operates it.

use std::hash::{BuildHasher as _, RandomState};

use super::{Process, UnixMillis};

/// This process under a name that is new at each start.
pub fn this_process() -> Process {
    let (host, pid) = (host(), std::process::id());
    let chance = RandomState::new().hash_one(pid);
    let id = format!("{host}-{pid}-{chance:016x}");
    Process { id, host, pid, release: env!("CARGO_PKG_VERSION").to_owned(), started_at: UnixMillis::now() }
}

/// Who gives an order: user and host, as the environment says.
pub fn operator() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.filter(|name| !name.trim().is_empty());
    format!("{}@{}", user.as_deref().unwrap_or("somebody"), host())
}

fn host() -> String {
    let said = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let said = said.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    said.unwrap_or_else(|| "unknown".to_owned())
}
