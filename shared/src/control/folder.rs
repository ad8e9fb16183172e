//! Orders and reports as small files in a run's folder, for runs without servers.
//!
//! Each entry is one file, written under another name and then renamed, so that readers see either the old or the new one.
//! Its age follows from its modification time. Orders outlive the process that they are for.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ControlError;
use super::local::{Entries, Entry, LocalControl};
use crate::fresh_file;

/// Orders and reports in a folder.
pub type FolderControl = LocalControl<FolderEntries>;

/// Entries in a folder.
#[derive(Debug, Clone)]
pub struct FolderEntries {
    folder: PathBuf,
}

/// The suffix of entry files; other files in the folder are ignored.
const SUFFIX: &str = ".json";

/// The file that is locked while several entries are read or written together.
const LOCK_FILE: &str = "lock";

impl FolderControl {
    /// Orders and reports in `folder`, which is created with the first entry.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { entries: FolderEntries { folder } }
    }
}

impl FolderEntries {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{SUFFIX}"))
    }

    fn failed(path: &Path, action: &'static str, error: &io::Error) -> ControlError {
        ControlError::File { action, path: path.to_owned(), reason: error.to_string() }
    }

    fn make(&self) -> Result<(), ControlError> {
        fs::create_dir_all(&self.folder).map_err(|error| Self::failed(&self.folder, "create the folder", &error))
    }
}

impl Entries for FolderEntries {
    fn get(&self, name: &str) -> Result<Option<Entry>, ControlError> {
        let path = self.path(name);
        let read = || {
            let value = fs::read(&path)?;
            let written = fs::metadata(&path)?.modified()?;
            // If the clock was set back, the entry counts as new.
            let age = written.elapsed().unwrap_or(Duration::ZERO);
            Ok(Entry { value, age })
        };
        absent_or(read()).map_err(|error| Self::failed(&path, "read", &error))
    }

    fn put(&self, name: &str, value: &[u8]) -> Result<(), ControlError> {
        self.make()?;
        let path = self.path(name);
        let fresh = self.folder.join(format!("{name}.{}.new", std::process::id()));
        let written = fresh_file::write(&fresh, value).and_then(|()| fs::rename(&fresh, &path));
        written.map_err(|error| Self::failed(&path, "write", &error))
    }

    fn remove(&self, name: &str) -> Result<(), ControlError> {
        let path = self.path(name);
        absent_or(fs::remove_file(&path)).map(drop).map_err(|error| Self::failed(&path, "remove", &error))
    }

    fn names(&self) -> Result<Vec<String>, ControlError> {
        let list = || {
            let mut names = Vec::new();
            for file in fs::read_dir(&self.folder)? {
                let name = file?.file_name();
                names.extend(name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(str::to_owned));
            }
            names.sort_unstable();
            Ok(names)
        };
        let names = absent_or(list()).map_err(|error| Self::failed(&self.folder, "list", &error))?;
        Ok(names.unwrap_or_default())
    }

    fn exclusively<T>(&self, act: impl FnOnce() -> Result<T, ControlError>) -> Result<T, ControlError> {
        self.make()?;
        let path = self.folder.join(LOCK_FILE);
        let lock = fresh_file::open_lock(&path).map_err(|error| Self::failed(&path, "open", &error))?;
        // On a file system without locks, only one process works in a run's folder anyway.
        if let Err(error) = lock.lock() {
            tracing::debug!(%error, "could not lock a run's control folder");
        }
        act()
    }
}

/// `None` if the file does not exist.
fn absent_or<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
