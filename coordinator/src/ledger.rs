//! Stores finished cells durably: the ledger is a run's only source of truth.
//!
//! Four tables have the key (model, respondent, fold), and each of their rows begins with a checksum. `cells` holds the
//! predictions and does not depend on how the run went; `spend` holds what the calls used and depends on retries;
//! `transcripts` holds prompts and replies if the run keeps them; `dead` holds why cells were given up. Writing the same
//! cell twice changes nothing. A fifth table, `about`, says which run the ledger belongs to, where its numbers come from, on
//! which days its first and last cell came, and how far the rounds of people have come.

mod about;
mod checksum;
mod dates;
mod dead;
mod error;
mod open;
mod read_only_backend;
mod reopen;
mod rounds;
mod schema;
#[cfg(test)]
mod tests;
mod unlocked_backend;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::SystemTime;

use redb::{
    AccessGuard, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata as _, StorageError, TableDefinition,
    TableHandle as _,
};
use valuesim_shared::id::{Cell, Fold, ModelId, Respondent};
use valuesim_shared::outcome::{CellOutcome, CellResult, CellSpend};
use valuesim_shared::transcript::Transcript;

use checksum::{checked, with_checksum};
pub use dead::{DeadCell, DeadCells};
pub use error::LedgerError;
pub use rounds::{ROUNDS_VERSION, RoundsEnd, RoundsRecord};
pub use schema::LEDGER_VERSION;
use schema::{ABOUT, CELLS, Key, SPEND, TRANSCRIPTS};

use crate::call_dates::Day;

/// The finished cells of one run.
#[derive(Debug)]
pub struct Ledger {
    database: Database,
    path: PathBuf,
}

impl Ledger {
    /// Writes finished cells and returns once they are on disk. Cells that it already has stay as they are.
    ///
    /// Returns the cells that were new, in the order given.
    pub fn record(&self, outcomes: &[CellOutcome]) -> Result<Vec<Cell>, LedgerError> {
        self.insert(outcomes, Day::of(SystemTime::now())).map_err(|error| self.failed("write to", error))
    }

    fn insert(&self, outcomes: &[CellOutcome], today: Day) -> Result<Vec<Cell>, redb::Error> {
        let transaction = self.database.begin_write()?;
        let dates_are_known = dates::are_known(&transaction)?;
        let (mut new, mut days) = (Vec::with_capacity(outcomes.len()), BTreeSet::new());
        {
            let mut cells = transaction.open_table(CELLS)?;
            let mut spend = transaction.open_table(SPEND)?;
            let mut transcripts = transaction.open_table(TRANSCRIPTS)?;
            let mut dead = transaction.open_table(dead::DEAD)?;
            for outcome in outcomes {
                let day = Some(day_of(&outcome.spend, today));
                let key = key_of(outcome.cell);
                if cells.get(key)?.is_some() {
                    continue;
                }
                cells.insert(key, with_checksum(CELLS.name(), key, &json(&outcome.result)).as_slice())?;
                spend.insert(
                    key,
                    with_checksum(SPEND.name(), key, &json(&CellSpend { day, ..outcome.spend.clone() })).as_slice(),
                )?;
                if let Some(transcript) = &outcome.transcript {
                    let row = with_checksum(TRANSCRIPTS.name(), key, transcript.as_bytes());
                    transcripts.insert(key, row.as_slice())?;
                }
                dead.remove(key)?;
                days.extend(day);
                new.push(outcome.cell);
            }
        }
        if dates_are_known {
            days.into_iter().try_for_each(|day| dates::note(&transaction, day))?;
        }
        transaction.commit()?;
        Ok(new)
    }

    /// What is kept of a finished cell: its result, and what its calls used.
    pub(crate) fn row(&self, cell: Cell) -> Result<Option<(CellResult, CellSpend)>, LedgerError> {
        let key = key_of(cell);
        let result = self.rows(CELLS, key..=key)?.next().transpose()?;
        let spend = self.rows(SPEND, key..=key)?.next().transpose()?;
        Ok(result.zip(spend).map(|((_, result), (_, spend))| (result, spend)))
    }

    /// All finished cells, in the ledger's order.
    pub fn finished(&self) -> Result<impl Iterator<Item = Result<Cell, LedgerError>> + '_, LedgerError> {
        self.cells_in(CELLS, (0, 0, 0)..=(u16::MAX, u32::MAX, u8::MAX))
    }

    /// All finished cells, in the ledger's order, by their keys alone: their rows are not read, and so not checked.
    pub(crate) fn finished_keys(&self) -> Result<impl Iterator<Item = Result<Cell, LedgerError>> + '_, LedgerError> {
        self.keys(CELLS, (0, 0, 0)..=(u16::MAX, u32::MAX, u8::MAX))
    }

    /// The cells of a model whose transcripts were kept, by their keys alone. If each finished cell has one, the keys of `spend`
    /// are the same, and its rows are a thousandth as long.
    pub(crate) fn transcript_keys(
        &self,
        model: ModelId,
    ) -> Result<impl Iterator<Item = Result<Cell, LedgerError>> + '_, LedgerError> {
        let finished = self.table(SPEND)?.len().map_err(|error| self.failed("read", error))?;
        let table = if self.transcripts()? == finished { SPEND } else { TRANSCRIPTS };
        self.keys(table, all_of_model(model))
    }

    fn keys(
        &self,
        table: TableDefinition<'static, Key, &'static [u8]>,
        range: RangeInclusive<Key>,
    ) -> Result<impl Iterator<Item = Result<Cell, LedgerError>> + '_, LedgerError> {
        let rows = self.table(table)?.range(range);
        let rows = rows.map_err(|error| self.failed("read", error))?;
        Ok(rows.map(move |row| {
            let (key, _) = row.map_err(|error| self.failed("read", error))?;
            self.cell_of(key.value())
        }))
    }

    fn cells_in(
        &self,
        table: TableDefinition<'static, Key, &'static [u8]>,
        range: RangeInclusive<Key>,
    ) -> Result<impl Iterator<Item = Result<Cell, LedgerError>> + '_, LedgerError> {
        let rows = self.table(table)?.range(range).map_err(|error| self.failed("read", error))?;
        Ok(rows.map(move |row| {
            let (key, value) = row.map_err(|error| self.failed("read", error))?;
            let cell = self.cell_of(key.value())?;
            self.content_of(table, cell, value.value())?;
            Ok(cell)
        }))
    }

    /// The results of a model's finished cells, by respondent, then fold.
    pub fn results(
        &self,
        model: ModelId,
    ) -> Result<impl Iterator<Item = Result<(Cell, CellResult), LedgerError>> + '_, LedgerError> {
        self.rows(CELLS, all_of_model(model))
    }

    /// The results of one respondent's finished cells with a model, by fold.
    pub fn results_of(
        &self,
        model: ModelId,
        respondent: Respondent,
    ) -> Result<impl Iterator<Item = Result<(Cell, CellResult), LedgerError>> + '_, LedgerError> {
        let row = respondent.row();
        self.rows(CELLS, (model.0, row, 0)..=(model.0, row, u8::MAX))
    }

    /// The results of a model's finished cells of the respondents from `first` to `last`, by respondent, then fold.
    pub(crate) fn results_between(
        &self,
        model: ModelId,
        (first, last): (Respondent, Respondent),
    ) -> Result<impl Iterator<Item = Result<(Cell, CellResult), LedgerError>> + '_, LedgerError> {
        self.rows(CELLS, (model.0, first.row(), 0)..=(model.0, last.row(), u8::MAX))
    }

    /// The transcript of a cell; `None` if it was not kept.
    pub fn transcript(&self, cell: Cell) -> Result<Option<Transcript>, LedgerError> {
        let row = self.table(TRANSCRIPTS)?.get(key_of(cell)).map_err(|error| self.failed("read", error))?;
        let Some(row) = row else { return Ok(None) };
        let compressed = self.content_of(TRANSCRIPTS, cell, row.value())?;
        Ok(Some(Transcript::from_bytes(compressed.to_vec())))
    }

    /// The cells of a model whose transcripts were kept, by respondent, then fold.
    pub fn with_transcript(
        &self,
        model: ModelId,
    ) -> Result<impl Iterator<Item = Result<Cell, LedgerError>> + '_, LedgerError> {
        self.cells_in(TRANSCRIPTS, all_of_model(model))
    }

    /// How many transcripts were kept. Does not read them.
    pub fn transcripts(&self) -> Result<u64, LedgerError> {
        self.table(TRANSCRIPTS)?.len().map_err(|error| self.failed("read", error))
    }

    /// What the calls of a model's finished cells used, by respondent, then fold.
    pub fn spend(
        &self,
        model: ModelId,
    ) -> Result<impl Iterator<Item = Result<(Cell, CellSpend), LedgerError>> + '_, LedgerError> {
        self.rows(SPEND, all_of_model(model))
    }

    /// As [`Self::spend`], of those cells alone that are `wanted`: the rows of others are not read.
    pub(crate) fn spend_where(
        &self,
        model: ModelId,
        wanted: impl Fn(Cell) -> bool,
    ) -> Result<impl Iterator<Item = Result<(Cell, CellSpend), LedgerError>>, LedgerError> {
        self.rows_where(SPEND, all_of_model(model), wanted)
    }

    /// As [`Self::spend`], of the respondents of some rows of the survey.
    pub(crate) fn spend_of_rows(
        &self,
        model: ModelId,
        rows: RangeInclusive<u32>,
    ) -> Result<impl Iterator<Item = Result<(Cell, CellSpend), LedgerError>> + '_, LedgerError> {
        self.rows(SPEND, (model.0, *rows.start(), 0)..=(model.0, *rows.end(), u8::MAX))
    }

    fn rows<'a, T: serde::de::DeserializeOwned + 'a>(
        &'a self,
        table: TableDefinition<'static, Key, &'static [u8]>,
        range: RangeInclusive<Key>,
    ) -> Result<impl Iterator<Item = Result<(Cell, T), LedgerError>> + 'a, LedgerError> {
        self.rows_where(table, range, |_| true)
    }

    fn rows_where<T: serde::de::DeserializeOwned>(
        &self,
        table: TableDefinition<'static, Key, &'static [u8]>,
        range: RangeInclusive<Key>,
        wanted: impl Fn(Cell) -> bool,
    ) -> Result<impl Iterator<Item = Result<(Cell, T), LedgerError>>, LedgerError> {
        let rows = self.table(table)?.range(range).map_err(|error| self.failed("read", error))?;
        let read = move |row: Result<(AccessGuard<'_, Key>, AccessGuard<'_, &[u8]>), StorageError>| {
            let (key, value) = row.map_err(|error| self.failed("read", error))?;
            let cell = self.cell_of(key.value())?;
            if !wanted(cell) {
                return Ok(None);
            }
            let json = self.content_of(table, cell, value.value())?;
            let row = serde_json::from_slice(json).map_err(|error| self.damaged(cell, error))?;
            Ok(Some((cell, row)))
        };
        Ok(rows.filter_map(move |row| read(row).transpose()))
    }

    fn table(
        &self,
        table: TableDefinition<'static, Key, &'static [u8]>,
    ) -> Result<redb::ReadOnlyTable<Key, &'static [u8]>, LedgerError> {
        let transaction = self.database.begin_read().map_err(|error| self.failed("read", error))?;
        transaction.open_table(table).map_err(|error| self.failed("read", error))
    }

    fn content_of<'a>(
        &self,
        table: TableDefinition<'static, Key, &'static [u8]>,
        cell: Cell,
        row: &'a [u8],
    ) -> Result<&'a [u8], LedgerError> {
        let wrong = || self.damaged(cell, format_args!("its checksum in the table `{}` is wrong", table.name()));
        checked(table.name(), key_of(cell), row).ok_or_else(wrong)
    }

    fn cell_of(&self, (model, row, fold): Key) -> Result<Cell, LedgerError> {
        let cell = Respondent::new(row).zip(Fold::new(fold));
        let (respondent, fold) = cell.ok_or_else(|| {
            self.damaged(format_args!("model {model}, respondent {row}, fold {fold}"), "rows and folds count from 1")
        })?;
        Ok(Cell { model: ModelId(model), respondent, fold })
    }

    fn damaged(&self, cell: impl std::fmt::Display, reason: impl std::fmt::Display) -> LedgerError {
        LedgerError::Damaged { path: self.path.clone(), cell: cell.to_string(), reason: reason.to_string() }
    }

    fn corrupt(&self, reason: impl std::fmt::Display) -> LedgerError {
        LedgerError::Corrupt { path: self.path.clone(), reason: reason.to_string() }
    }

    fn failed(&self, action: &'static str, error: impl std::fmt::Display) -> LedgerError {
        LedgerError::Failed { action, path: self.path.clone(), reason: error.to_string() }
    }
}

/// The day on which a cell is recorded; of one that was taken over, that of its calls, if it is known.
fn day_of(spend: &CellSpend, today: Day) -> Day {
    spend.day.filter(|_| spend.taken_from.is_some()).unwrap_or(today)
}

fn key_of(cell: Cell) -> Key {
    (cell.model.0, cell.respondent.row(), cell.fold.number())
}

fn all_of_model(model: ModelId) -> RangeInclusive<Key> {
    (model.0, 0, 0)..=(model.0, u32::MAX, u8::MAX)
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("results and spend can be written as JSON")
}
