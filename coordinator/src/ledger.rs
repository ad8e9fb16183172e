//! The durable record of finished cells: the one source of truth of a run.
//!
//! Two tables by (model, respondent, fold). `cells` holds what was predicted and is the same however the run went;
//! `spend` holds what it took and differs with retries. Writing the same cell twice changes nothing.

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use valuesim_shared::id::{Cell, Fold, ModelId, Respondent, RunId};
use valuesim_shared::outcome::{CellOutcome, CellResult, CellSpend};

/// The version of the ledger's tables; another one is refused.
pub const LEDGER_VERSION: &str = "1";

const ABOUT: TableDefinition<&str, &str> = TableDefinition::new("about");
const CELLS: TableDefinition<Key, &[u8]> = TableDefinition::new("cells");
const SPEND: TableDefinition<Key, &[u8]> = TableDefinition::new("spend");

/// Model, respondent, fold.
type Key = (u16, u32, u8);

/// Memory that the database may use for pages, in bytes.
const CACHE_BYTES: usize = 32 << 20;

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
    /// Another process has it open.
    #[error("the ledger {} is in use by another process: wait for it to end, or stop it", .0.display())]
    InUse(PathBuf),
    /// It was written by another release.
    #[error("the ledger {} has version {found}, this program reads version {LEDGER_VERSION}: use the release that wrote it; nothing was changed", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: String,
    },
    /// It belongs to another run.
    #[error("the ledger {} belongs to run {found}, not to {expected}: use another runs folder; nothing was changed", .path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The run in the file.
        found: String,
        /// The run that was to be opened.
        expected: RunId,
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

/// The finished cells of one run.
#[derive(Debug)]
pub struct Ledger {
    database: Database,
    path: PathBuf,
}

impl Ledger {
    /// Opens the ledger of `run` in the file `path`, or makes it.
    pub fn open(path: &Path, run: &RunId) -> Result<Self, LedgerError> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => LedgerError::InUse(path.to_owned()),
            other => LedgerError::Failed { action: "open", path: path.to_owned(), reason: other.to_string() },
        })?;
        let ledger = Self { database, path: path.to_owned() };
        let about = ledger.introduce(run).map_err(|error| ledger.failed("open", error))?;
        ledger.check(about, run)?;
        Ok(ledger)
    }

    /// Writes whose ledger this is into a new file; returns version and run of any file.
    fn introduce(&self, run: &RunId) -> Result<(String, String), redb::Error> {
        let transaction = self.database.begin_write()?;
        let about = {
            let mut about = transaction.open_table(ABOUT)?;
            let version = about.get("version")?.map(|version| version.value().to_owned());
            let found_run = about.get("run")?.map(|run| run.value().to_owned());
            match (version, found_run) {
                (None, None) => {
                    about.insert("version", LEDGER_VERSION)?;
                    about.insert("run", run.0.as_str())?;
                    transaction.open_table(CELLS)?;
                    transaction.open_table(SPEND)?;
                    (LEDGER_VERSION.to_owned(), run.0.clone())
                }
                (version, run) => (version.unwrap_or_default(), run.unwrap_or_default()),
            }
        };
        transaction.commit()?;
        Ok(about)
    }

    fn check(&self, (version, found): (String, String), run: &RunId) -> Result<(), LedgerError> {
        if version != LEDGER_VERSION {
            return Err(LedgerError::Version { path: self.path.clone(), found: version });
        }
        if found != run.0 {
            return Err(LedgerError::OtherRun { path: self.path.clone(), found, expected: run.clone() });
        }
        Ok(())
    }

    /// Writes finished cells; returns once they are on the disk. Cells that are there already stay as they are.
    ///
    /// Returns the cells that were new, in the order given.
    pub fn record(&self, outcomes: &[CellOutcome]) -> Result<Vec<Cell>, LedgerError> {
        self.insert(outcomes).map_err(|error| self.failed("write to", error))
    }

    fn insert(&self, outcomes: &[CellOutcome]) -> Result<Vec<Cell>, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut new = Vec::with_capacity(outcomes.len());
        {
            let mut cells = transaction.open_table(CELLS)?;
            let mut spend = transaction.open_table(SPEND)?;
            for outcome in outcomes {
                let key = key_of(outcome.cell);
                if cells.get(key)?.is_some() {
                    continue;
                }
                cells.insert(key, json(&outcome.result).as_slice())?;
                spend.insert(key, json(&outcome.spend).as_slice())?;
                new.push(outcome.cell);
            }
        }
        transaction.commit()?;
        Ok(new)
    }

    /// All finished cells, in the ledger's order.
    pub fn finished(&self) -> Result<impl Iterator<Item = Result<Cell, LedgerError>> + '_, LedgerError> {
        let rows = self.table(CELLS)?.range::<Key>(..).map_err(|error| self.failed("read", error))?;
        Ok(rows.map(|row| {
            let (key, _) = row.map_err(|error| self.failed("read", error))?;
            self.cell_of(key.value())
        }))
    }

    /// The results of a model's finished cells, by respondent, then fold.
    pub fn results(
        &self,
        model: ModelId,
    ) -> Result<impl Iterator<Item = Result<(Cell, CellResult), LedgerError>> + '_, LedgerError> {
        self.rows(CELLS, model)
    }

    /// What a model's finished cells took, by respondent, then fold.
    pub fn spend(
        &self,
        model: ModelId,
    ) -> Result<impl Iterator<Item = Result<(Cell, CellSpend), LedgerError>> + '_, LedgerError> {
        self.rows(SPEND, model)
    }

    fn rows<T: serde::de::DeserializeOwned>(
        &self,
        table: TableDefinition<'static, Key, &'static [u8]>,
        model: ModelId,
    ) -> Result<impl Iterator<Item = Result<(Cell, T), LedgerError>> + '_, LedgerError> {
        let all_of_model = (model.0, 0, 0)..=(model.0, u32::MAX, u8::MAX);
        let rows = self.table(table)?.range(all_of_model).map_err(|error| self.failed("read", error))?;
        Ok(rows.map(|row| {
            let (key, value) = row.map_err(|error| self.failed("read", error))?;
            let cell = self.cell_of(key.value())?;
            let row = serde_json::from_slice(value.value()).map_err(|error| self.damaged(cell, error))?;
            Ok((cell, row))
        }))
    }

    fn table(
        &self,
        table: TableDefinition<'static, Key, &'static [u8]>,
    ) -> Result<redb::ReadOnlyTable<Key, &'static [u8]>, LedgerError> {
        let transaction = self.database.begin_read().map_err(|error| self.failed("read", error))?;
        transaction.open_table(table).map_err(|error| self.failed("read", error))
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

    fn failed(&self, action: &'static str, error: impl std::fmt::Display) -> LedgerError {
        LedgerError::Failed { action, path: self.path.clone(), reason: error.to_string() }
    }
}

fn key_of(cell: Cell) -> Key {
    (cell.model.0, cell.respondent.row(), cell.fold.number())
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("results and spend can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use valuesim_shared::method::Stage;
    use valuesim_shared::outcome::{OUTCOME_VERSION, StageSpend};

    fn run() -> RunId {
        RunId("r1".to_owned())
    }

    fn outcome(row: u32, fold: u8, sent: u64) -> CellOutcome {
        let respondent = Respondent::new(row).expect("not 0");
        let fold = Fold::new(fold).expect("not 0");
        let stages = [(Stage::Story, StageSpend { sent, ..StageSpend::default() })].into();
        CellOutcome {
            version: OUTCOME_VERSION,
            run: run(),
            cell: Cell { model: ModelId(0), respondent, fold },
            result: CellResult { story: None, modules: vec![], arms: vec![] },
            spend: CellSpend { stages, reported_models: vec![] },
        }
    }

    fn new_ledger() -> (tempfile::TempDir, PathBuf, Ledger) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("ledger.redb");
        let ledger = Ledger::open(&path, &run()).expect("opens");
        (folder, path, ledger)
    }

    #[test]
    fn cells_are_kept_in_order_and_over_a_reopening() {
        let (_folder, path, ledger) = new_ledger();
        ledger.record(&[outcome(7, 2, 1), outcome(7, 1, 1), outcome(3, 5, 1)]).expect("writes");
        drop(ledger);
        let ledger = Ledger::open(&path, &run()).expect("opens again");
        let cells: Vec<_> = ledger.finished().expect("reads").collect::<Result<_, _>>().expect("sound");
        let expected = [outcome(3, 5, 1), outcome(7, 1, 1), outcome(7, 2, 1)].map(|outcome| outcome.cell);
        assert_eq!(cells, expected);
    }

    #[test]
    fn a_cell_that_comes_twice_is_counted_once_and_the_first_stays() {
        let (_folder, _path, ledger) = new_ledger();
        assert_eq!(ledger.record(&[outcome(1, 1, 1)]).expect("writes").len(), 1);
        assert_eq!(ledger.record(&[outcome(1, 1, 9), outcome(1, 2, 1)]).expect("writes"), [outcome(1, 2, 1).cell]);
        let sent: Vec<_> =
            ledger.spend(ModelId(0)).expect("reads").map(|row| row.expect("sound").1.total().sent).collect();
        assert_eq!(sent, [1, 1]);
    }

    #[test]
    fn models_are_apart() {
        let (_folder, _path, ledger) = new_ledger();
        ledger.record(&[outcome(1, 1, 1)]).expect("writes");
        assert_eq!(ledger.results(ModelId(0)).expect("reads").count(), 1);
        assert_eq!(ledger.results(ModelId(1)).expect("reads").count(), 0);
    }

    #[test]
    fn the_ledger_of_another_run_is_refused_and_left_alone() {
        let (_folder, path, ledger) = new_ledger();
        ledger.record(&[outcome(1, 1, 1)]).expect("writes");
        drop(ledger);
        let other = Ledger::open(&path, &RunId("r2".to_owned()));
        assert!(matches!(other, Err(LedgerError::OtherRun { .. })), "{other:?}");
        let ledger = Ledger::open(&path, &run()).expect("still its own");
        assert_eq!(ledger.finished().expect("reads").count(), 1);
    }

    #[test]
    fn the_ledger_of_another_release_is_refused() {
        let (_folder, path, ledger) = new_ledger();
        let transaction = ledger.database.begin_write().expect("writes");
        transaction.open_table(ABOUT).expect("table").insert("version", "99").expect("writes");
        transaction.commit().expect("writes");
        drop(ledger);
        assert!(matches!(Ledger::open(&path, &run()), Err(LedgerError::Version { found, .. }) if found == "99"));
    }

    #[test]
    fn a_file_that_is_no_ledger_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("ledger.redb");
        std::fs::write(&path, "my thesis").expect("writes");
        assert!(matches!(Ledger::open(&path, &run()), Err(LedgerError::Failed { .. })));
        assert_eq!(std::fs::read(&path).expect("reads"), b"my thesis");
    }

    #[test]
    fn a_second_opening_is_refused() {
        let (_folder, path, _ledger) = new_ledger();
        assert!(matches!(Ledger::open(&path, &run()), Err(LedgerError::InUse(_))));
    }
}
