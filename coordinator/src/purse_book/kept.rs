//! The file of the book in the run's folder.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use valuesim_shared::budget::PurseLimit;
use valuesim_shared::fresh_file;
use valuesim_shared::money::NanoUsd;

use super::PurseBook;

/// The file in the run folder.
pub const BOOK_FILE: &str = "purses.json";

/// The version of the file. Readers refuse other versions.
const BOOK_VERSION: u16 = 1;

/// What survives the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    version: u16,
    /// The life of the store in which the purses were written.
    pub(super) life: String,
    /// What each model had cost before, in nano-dollars.
    pub(super) before: Vec<NanoUsd>,
    /// What was spent from closed purses, by model.
    pub(super) closed: Vec<NanoUsd>,
    /// What the owners of open purses have drawn, by model.
    pub(super) open: BTreeMap<String, Vec<NanoUsd>>,
}

/// Why the book cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// It cannot be read or written.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What failed.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The reason that the system gives.
        source: std::io::Error,
    },
    /// It has something else.
    #[error(
        "read {path}: {reason}; expected what workers have drawn of the run's budget. Without it, nobody knows what calls of \
         unfinished cells have cost: delete it to count those alone that the ledger and the store know",
        path = path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Kept {
    pub(super) fn new(before: Vec<NanoUsd>) -> Self {
        let closed = vec![NanoUsd(0); before.len()];
        Self { version: BOOK_VERSION, life: String::new(), before, closed, open: BTreeMap::new() }
    }

    fn problem(&self, models: usize) -> Option<String> {
        let lengths = [&self.before, &self.closed].into_iter().chain(self.open.values()).map(Vec::len);
        if self.version != BOOK_VERSION {
            return Some(format!("it has version {}, and this release reads {BOOK_VERSION}", self.version));
        }
        let other = lengths.into_iter().find(|length| *length != models)?;
        Some(format!("it has {other} models, and the run has {models}"))
    }
}

impl PurseBook {
    /// The book that a run's folder has, if it has one.
    pub fn read(folder: &Path, limits: Vec<PurseLimit>, models: usize) -> Result<Option<Self>, BookError> {
        let path = folder.join(BOOK_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(BookError::File { action: "read", path, source }),
        };
        let kept: Kept = serde_json::from_slice(&text)
            .map_err(|error| BookError::Unreadable { path: path.clone(), reason: error.to_string() })?;
        match kept.problem(models) {
            Some(reason) => Err(BookError::Unreadable { path, reason }),
            None => Ok(Some(Self::of(limits, kept))),
        }
    }

    /// Writes the book to the run's folder if it has changed. It is on disk when this returns.
    pub fn keep(&mut self, folder: &Path) -> Result<(), BookError> {
        if !self.is_changed {
            return Ok(());
        }
        let path = folder.join(BOOK_FILE);
        let text = serde_json::to_vec(&self.kept).unwrap_or_default();
        write(&path, &text).map_err(|source| BookError::File { action: "write", path, source })?;
        self.is_changed = false;
        Ok(())
    }
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fresh_file::create(&new)?;
    file.write_all(text)?;
    file.sync_data()?;
    std::fs::rename(&new, path)?;
    // The name must be as durable as the bytes.
    #[cfg(unix)]
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_data()?;
    Ok(())
}
