//! The asynchronous runtime of processes that talk to many over the network.

use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

/// A thread for every two cores: the kernel's network stack, and whoever is talked to on the same machine, use the others, and
/// threads that wake each other for every message cost more than they do.
pub(crate) fn on_half_the_cores() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    match cores / 2 {
        0 | 1 => Builder::new_current_thread(),
        threads => {
            let mut several = Builder::new_multi_thread();
            several.worker_threads(threads);
            several
        }
    }
    .enable_all()
    .build()
}
