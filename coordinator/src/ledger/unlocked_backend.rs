//! A storage backend for a ledger on a file system without locks, where the database refuses to open a file itself.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A file that is not locked: the run folder's owner knows that and was told.
#[derive(Debug)]
pub(super) struct UnlockedBackend(Mutex<File>);

impl UnlockedBackend {
    /// Reads and writes `file`.
    pub(super) fn new(file: File) -> Self {
        Self(Mutex::new(file))
    }

    fn file(&self) -> MutexGuard<'_, File> {
        // Every operation begins by seeking its place.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for UnlockedBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file().metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file().set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file().sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(data)
    }
}
