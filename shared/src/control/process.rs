//! The identity of this process, and of the user who operates it.

use std::hash::{BuildHasher as _, RandomState};

use super::{Process, UnixMillis};

/// This process, with an id that is new at each start.
pub fn this_process() -> Process {
    let (host, pid) = (host(), std::process::id());
    let chance = RandomState::new().hash_one(pid);
    let id = format!("{host}-{pid}-{chance:016x}");
    Process { id, host, pid, release: env!("CARGO_PKG_VERSION").to_owned(), started_at: UnixMillis::now() }
}

/// The user and host that give an order, from the environment.
pub fn operator() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.filter(|name| !name.trim().is_empty());
    format!("{}@{}", user.as_deref().unwrap_or("somebody"), host())
}

fn host() -> String {
    let name = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
}
