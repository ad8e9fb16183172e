//! Reads and writes the ledger's metadata: version, run, where its numbers come from, and when they came.

use redb::{ReadableDatabase as _, TableHandle as _};
use valuesim_shared::id::RunId;

use super::{ABOUT, Ledger, LedgerError, dates};
use crate::call_dates::{CallDates, Day};
use crate::provenance::Provenance;

/// Prefix of the keys of provenance; a number follows.
const PROVENANCE: &str = "provenance ";

impl Ledger {
    /// The run that the ledger belongs to.
    pub fn run(&self) -> Result<RunId, LedgerError> {
        self.required("run").map(RunId)
    }

    /// The version of its tables.
    pub(super) fn version(&self) -> Result<String, LedgerError> {
        self.required("version")
    }

    fn required(&self, key: &str) -> Result<String, LedgerError> {
        let value = self.read_about(key).map_err(|error| self.failed("read", error))?;
        value.ok_or_else(|| self.corrupt(format_args!("it lacks the entry `{key}`")))
    }

    pub(super) fn read_about(&self, key: &str) -> Result<Option<String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let is_there = transaction.list_tables()?.any(|table| table.name() == ABOUT.name());
        if !is_there {
            return Ok(None);
        }
        Ok(transaction.open_table(ABOUT)?.get(key)?.map(|value| value.value().to_owned()))
    }

    /// Records what the run is executed with from now on, unless that is already recorded.
    ///
    /// # Panics
    /// Never: provenance can be written as JSON.
    pub fn note_provenance(&self, provenance: &Provenance) -> Result<(), LedgerError> {
        let known = self.provenance()?;
        if known.contains(provenance) {
            return Ok(());
        }
        let key = format!("{PROVENANCE}{:04}", known.len() + 1);
        let text = serde_json::to_string(provenance).expect("provenance can be written as JSON");
        self.write_about(&key, &text).map_err(|error| self.failed("write to", error))
    }

    pub(super) fn write_about(&self, key: &str, value: &str) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(ABOUT)?.insert(key, value)?;
        transaction.commit()?;
        Ok(())
    }

    /// What the run was executed with, oldest first.
    pub fn provenance(&self) -> Result<Vec<Provenance>, LedgerError> {
        let texts = self.read_provenance().map_err(|error| self.failed("read", error))?;
        let parse = |text: String| {
            serde_json::from_str(&text).map_err(|error| self.corrupt(format_args!("its provenance: {error}")))
        };
        texts.into_iter().map(parse).collect()
    }

    /// When the run's calls were made; `None` without a cell, and if an earlier build, which kept no dates, recorded some.
    pub fn call_dates(&self) -> Result<Option<CallDates>, LedgerError> {
        let day = |key| -> Result<Option<Day>, LedgerError> {
            let day = self.read_about(key).map_err(|error| self.failed("read", error))?;
            day.map(|day| day.parse().map_err(|error| self.corrupt(error))).transpose()
        };
        Ok(day(dates::FIRST)?.zip(day(dates::LAST)?).map(|(first, last)| CallDates { first, last }))
    }

    fn read_provenance(&self) -> Result<Vec<String>, redb::Error> {
        let table = self.database.begin_read()?.open_table(ABOUT)?;
        let mut texts = Vec::new();
        for row in table.range(PROVENANCE..)? {
            let (key, value) = row?;
            if !key.value().starts_with(PROVENANCE) {
                break;
            }
            texts.push(value.value().to_owned());
        }
        Ok(texts)
    }
}
