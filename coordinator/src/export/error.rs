//! Why a table could not be written.

use std::io;

use parquet::errors::ParquetError;

use crate::evaluation::EvaluationError;
use crate::ledger::LedgerError;

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row of the ledger does not fit its fold.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The reader of the table went away before its end.
    #[error("write the table: its reader went away")]
    ReaderLeft,
    /// The table could not be written.
    #[error("write the table: {0}")]
    Write(#[from] io::Error),
    /// The Parquet library failed.
    #[error("write the Parquet table: {0}")]
    Parquet(#[from] ParquetError),
}

impl ExportError {
    /// Whether the reader of the table went away, as `head` does. Nobody is left to report an error to.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::ReaderLeft)
    }
}
