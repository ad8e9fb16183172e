//! Writes what a run's ledger holds as one flat table, in the formats that data frames read.
//!
//! The tables are those of the run folder's data files, and spend, with a row for each cell and stage. Each needs the same
//! memory whatever its length; scores and people also need the counts of the people.

mod broken_pipe;
mod error;
mod format;
mod predictions;
mod sheet;

use std::io::Write;

use tokio_util::sync::CancellationToken;

use crate::evaluation::Evaluated;
use crate::flat_table::people::People;
use crate::flat_table::{about, calls, people, scores, spend};
use crate::parquet_table::{Column, markdown};
use crate::predictions as predictions_file;
pub use error::ExportError;
pub use format::{Compression, Format};

use broken_pipe::WatchedPipe;
use sheet::Sheet;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Every prediction of every arm that asks a model, beside the truth.
    Predictions,
    /// Every scored person with their scores.
    People,
    /// Every score, of everybody and of groups.
    Scores,
    /// Every call that was kept: what the model was asked and what it said.
    Calls,
    /// What the calls of each cell took, stage by stage.
    Spend,
}

impl Table {
    /// The table's name in flags and metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Predictions => predictions_file::TABLE,
            Self::People => people::TABLE,
            Self::Scores => scores::TABLE,
            Self::Calls => calls::TABLE,
            Self::Spend => spend::TABLE,
        }
    }

    /// Its columns as a table in Markdown, as `docs/files.md` shows them.
    pub fn columns_in_markdown(self) -> String {
        markdown(&self.columns())
    }

    fn columns(self) -> Vec<Column> {
        match self {
            Self::Predictions => predictions_file::columns(),
            Self::People => people::COLUMNS.to_vec(),
            Self::Scores => scores::COLUMNS.to_vec(),
            Self::Calls => calls::COLUMNS.to_vec(),
            Self::Spend => spend::COLUMNS.to_vec(),
        }
    }
}

/// Writes a table to `out`; returns the number of rows.
pub fn export<W: Write + Send>(of: &Evaluated<'_>, table: Table, format: Format, out: W) -> Result<u64, ExportError> {
    let (out, broken_pipe) = WatchedPipe::new(out);
    write(of, table, format, out).map_err(|error| if broken_pipe.was_seen() { ExportError::ReaderLeft } else { error })
}

fn write<W: Write + Send>(of: &Evaluated<'_>, table: Table, format: Format, out: W) -> Result<u64, ExportError> {
    let mut sheet = Sheet::new(format, (table.name(), &table.columns()), &about(of, table.name()), out)?;
    let uninterrupted = CancellationToken::new();
    match table {
        Table::Predictions => of.plan.models().try_for_each(|model| predictions::write(of, model, &mut sheet))?,
        Table::People => {
            of.counted(&uninterrupted, |scored, _| People::new(scored)?.each(|row| sheet.write_row(row)))?;
        }
        Table::Scores => scores::each(&of.score(&uninterrupted)?, |row| sheet.write_row(row))?,
        Table::Calls => calls::each(of, |row| sheet.write_row(row))?,
        Table::Spend => spend::each(of, |row| sheet.write_row(row))?,
    }
    sheet.finish()
}

#[cfg(test)]
mod tests;
