//! Limits how many tests start many processes at a time, across all threads and processes of a test run.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::getuid;

use crate::{ServerError, eventually};

/// How many tests have a turn at a time.
const TURNS: usize = 2;

/// A limit for hangs: all tests that take turns need less time together.
const LIMIT: Duration = Duration::from_hours(1);

/// The right to start many processes, until it is dropped or its process ends.
///
/// A turn is a lock on one of a few files, which the system releases however a process ends.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for a turn.
    ///
    /// # Panics
    /// If the files cannot be locked.
    pub async fn take() -> Self {
        Self::take_in(&folder()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn take_in(folder: &Path) -> Result<Self, ServerError> {
        let mut files = open(folder)?;
        let free = async || {
            let free = files.iter().position(is_free)?;
            Some(files.swap_remove(free))
        };
        let locked = eventually("a turn to start many processes", LIMIT, free).await?;
        Ok(Self { _lock: locked })
    }
}

/// Locks the file, unless it is locked already.
fn is_free(file: &File) -> bool {
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => panic!("lock a file: {error}"),
    }
}

fn open(folder: &Path) -> Result<Vec<File>, ServerError> {
    fs::create_dir_all(folder).map_err(ServerError::io(format!("make {}", folder.display())))?;
    let open = |number| {
        let file = folder.join(format!("turn-{number}"));
        let opened = File::options().create(true).append(true).open(&file);
        opened.map_err(ServerError::io(format!("open {}", file.display())))
    };
    (0..TURNS).map(open).collect()
}

/// A separate folder for each user, because users cannot write to each other's files.
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("valuesim-tests-of-{}", getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn when_all_turns_are_taken_the_next_test_waits() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let take = || Turn::take_in(folder.path());
        let (one, other) = (take().await.expect("a turn"), take().await.expect("a turn"));
        let mut third = pin!(take());
        assert!(third.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "three had a turn");
        drop(one);
        let third = third.await.expect("a turn");
        drop((other, third));
    }
}
