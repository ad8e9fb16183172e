//! Defines why a ledger cannot be used.

use std::path::{Path, PathBuf};

use redb::{DatabaseError, StorageError};
use valuesim_shared::id::RunId;

use super::LEDGER_VERSION;

/// The action of a failed opening.
const OPEN: &str = "open";

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file could not be opened, read or written.
    #[error("{action} the ledger {}: {reason}", .path.display())]
    Failed {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// Another process has the ledger open.
    #[error("the ledger {} is in use by another process: wait for it to end, or stop it", .0.display())]
    InUse(PathBuf),
    /// The ledger was written by another release.
    #[error("the ledger {} has version {found}, this program reads version {LEDGER_VERSION}: use the release that wrote it; nothing was changed", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: String,
    },
    /// The ledger belongs to another run.
    #[error("the ledger {} belongs to run {found}, not to {expected}: use another runs folder; nothing was changed", .path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The run in the file.
        found: String,
        /// The run that was expected.
        expected: RunId,
    },
    /// The file is not a ledger, or is damaged.
    #[error("the ledger {} is damaged: {reason}; restore it from a copy; nothing was changed", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// A row cannot be read.
    #[error("the ledger {} has an unreadable row for {cell}: {reason}; restore the file from a copy", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row.
        cell: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl LedgerError {
    /// Whether the ledger could not even be read, which says nothing about its contents.
    pub fn prevents_looking(&self) -> bool {
        match self {
            Self::InUse(_) | Self::Version { .. } => true,
            Self::Failed { action, .. } => *action == OPEN,
            Self::OtherRun { .. } | Self::Corrupt { .. } | Self::Damaged { .. } => false,
        }
    }

    /// Why the file at `path` could not be opened.
    pub(super) fn cannot_open(path: &Path, error: DatabaseError) -> Self {
        use std::io::ErrorKind;

        let path = path.to_owned();
        let reason = error.to_string();
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse(path),
            DatabaseError::Storage(StorageError::Corrupted(_)) => Self::Corrupt { path, reason },
            DatabaseError::Storage(StorageError::Io(error))
                if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                Self::Corrupt { path, reason }
            }
            _ => Self::Failed { action: OPEN, path, reason },
        }
    }
}
