//! The asynchronous runtime of processes that make many network calls.

use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

/// One thread for every two cores: the kernel's network stack and servers on the same machine use the other cores, and threads
/// that wake each other for every message cost more than they contribute.
pub(crate) fn on_half_the_cores() -> std::io::Result<Runtime> {
    match threads() {
        1 => Builder::new_current_thread(),
        _ => several(),
    }
    .enable_all()
    .build()
}

/// The same with background threads, so that spawned tasks run while the main thread does other work.
pub(crate) fn beside_other_work() -> std::io::Result<Runtime> {
    several().enable_all().build()
}

fn several() -> Builder {
    let mut several = Builder::new_multi_thread();
    several.worker_threads(threads());
    several
}

fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (cores / 2).max(1)
}
