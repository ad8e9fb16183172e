//! Locks files against other processes, where their file system has locks.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};

/// The error number of "no locks available": of a file system whose server has no lock service.
#[cfg(target_os = "linux")]
const ENOLCK: i32 = 37;
#[cfg(not(target_os = "linux"))]
const ENOLCK: i32 = 77;

/// What came of locking a file.
#[derive(Debug)]
pub enum Locking {
    /// It is locked until it is closed.
    Locked,
    /// The file system has no locks, and says so: another process would not be noticed.
    NoLocks(io::Error),
}

/// Locks a file for this process alone.
///
/// # Errors
/// If another process has the lock, or the file cannot be locked although its file system has locks.
pub fn try_lock(file: &File) -> Result<Locking, TryLockError> {
    match file.try_lock() {
        Ok(()) => Ok(Locking::Locked),
        Err(TryLockError::Error(error)) if is_without_locks(&error) => Ok(Locking::NoLocks(error)),
        Err(error) => Err(error),
    }
}

/// Whether an error says that a file system has no locks, as some NFS, Lustre and FUSE file systems do (`ENOSYS`, `EOPNOTSUPP`,
/// `ENOLCK`).
pub fn is_without_locks(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(ENOLCK)
}
