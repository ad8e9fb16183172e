//! The files beside the log: the lock on the folder, and files that are written as a whole.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

use crate::{file_lock, fresh_file};

/// Locks the folder against other processes, if its file system has locks: the run folder has told whether it does.
pub(super) fn lock(folder: &Path) -> Result<File, TryLockError> {
    let file = fresh_file::open_lock(&folder.join("lock")).map_err(TryLockError::Error)?;
    file_lock::try_lock(&file)?;
    Ok(file)
}

/// Writes a file so that a reader sees all of it or nothing, even after a power loss.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = fresh_file::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(&unfinished, path)
}
