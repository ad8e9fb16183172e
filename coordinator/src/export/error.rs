//! Why a table could not be written.

use std::io;

use parquet::errors::ParquetError;
use valuesim_shared::id::Cell;
use valuesim_shared::transcript::TranscriptError;

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
    /// A transcript is damaged.
    #[error("the ledger's transcript of {cell}: {source}")]
    Transcript {
        /// The cell whose transcript it is.
        cell: Cell,
        /// What is wrong with it.
        source: TranscriptError,
    },
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
