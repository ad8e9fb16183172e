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
    /// What each model had cost before, in nano-dollars; if `is_beside_ledger`, without what the ledger and the store of one
    /// process know.
    pub(super) before: Vec<NanoUsd>,
    /// What was spent from closed purses, by model.
    pub(super) closed: Vec<NanoUsd>,
    /// What the owners of open purses have drawn, by model.
    pub(super) open: BTreeMap<String, Vec<NanoUsd>>,
    /// Whether one process has gone on with the run since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_beside_ledger: bool,
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
        Self {
            version: BOOK_VERSION,
            life: String::new(),
            before,
            closed,
            open: BTreeMap::new(),
            is_beside_ledger: false,
        }
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

    /// Leaves the run to one process, which draws from no purse: from now on the book has what the fleet has spent beside
    /// `recorded`, which is what the ledger and that process's store know of each model. Returns that; nothing, if the folder has no book.
    pub fn leave_to_one_process(folder: &Path, recorded: &[NanoUsd]) -> Result<Option<Vec<NanoUsd>>, BookError> {
        let models = recorded.len();
        let Some(mut book) = Self::read(folder, Vec::new(), models)? else { return Ok(None) };
        if !book.kept.is_beside_ledger {
            let taken = (0..models).map(|model| book.taken_of(model));
            let beside = taken.zip(recorded).map(|(taken, recorded)| NanoUsd(taken.0.saturating_sub(recorded.0)));
            book.kept = Kept { is_beside_ledger: true, ..Kept::new(beside.collect()) };
            book.is_changed = true;
            book.keep(folder)?;
        }
        Ok(Some(book.kept.before))
    }

    /// Whether one process has gone on with the run since: [`PurseBook::take_back`] is due.
    pub fn is_left_to_one_process(&self) -> bool {
        self.kept.is_beside_ledger
    }

    /// Takes the run back from one process. `recorded` is what the ledger and that process's store know of each model.
    pub fn take_back(&mut self, recorded: &[NanoUsd]) {
        self.kept.before.iter_mut().zip(recorded).for_each(|(before, recorded)| *before += *recorded);
        self.kept.is_beside_ledger = false;
        self.is_changed = true;
        self.warnings();
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
