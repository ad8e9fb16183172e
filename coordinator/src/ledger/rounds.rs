//! Stores how far the rounds of a run have come that asks its people in rounds.

use serde::{Deserialize, Serialize};

use super::{Ledger, LedgerError};

/// The key of the record. A ledger of a run without rounds, and one before its first decision, have none.
const ROUNDS: &str = "rounds";

/// The version of [`RoundsRecord`]; all others are refused.
pub const ROUNDS_VERSION: u16 = 1;

/// How far the rounds have come: written when a round is decided, before the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundsRecord {
    /// [`ROUNDS_VERSION`] of the writer.
    pub version: u16,
    /// How many rounds have begun.
    pub rounds: u32,
    /// The people of these rounds, in the plan's order.
    pub people: u64,
    /// Cells that were dead when it was decided: should they finish later, the ledger would decide in another way.
    pub dead: u64,
    /// Why no round follows; `None` while the last one is not decided.
    pub end: Option<RoundsEnd>,
}

/// Why no further round is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundsEnd {
    /// The intervals are narrow enough.
    Precise,
    /// The first of the two arms is better.
    FirstIsBetter,
    /// The second of the two arms is better.
    SecondIsBetter,
    /// Everybody was asked who may be, and the aim was not reached.
    NobodyIsLeft,
}

impl Ledger {
    /// How far the rounds have come; `None` before the first decision.
    pub fn rounds(&self) -> Result<Option<RoundsRecord>, LedgerError> {
        let Some(text) = self.read_about(ROUNDS).map_err(|error| self.failed("read", error))? else { return Ok(None) };
        let record: RoundsRecord = serde_json::from_str(&text).map_err(|error| {
            self.failed("read", format_args!("its record of rounds: {error}; expected version {ROUNDS_VERSION}"))
        })?;
        if record.version != ROUNDS_VERSION {
            let found = record.version;
            let reason = format_args!("its record of rounds has version {found}, expected {ROUNDS_VERSION}");
            return Err(self.failed("read", reason));
        }
        Ok(Some(record))
    }

    /// Replaces the record, and returns once it is on disk.
    ///
    /// # Panics
    /// Never: the record can be written as JSON.
    pub fn set_rounds(&self, record: &RoundsRecord) -> Result<(), LedgerError> {
        let text = serde_json::to_string(record).expect("a record of rounds can be written as JSON");
        self.write_about(ROUNDS, &text).map_err(|error| self.failed("write to", error))
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::id::RunId;

    use super::*;

    #[test]
    fn a_record_is_there_when_the_ledger_is_opened_again_and_has_its_literal_json() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, run) = (folder.path().join("ledger.redb"), RunId("r1".to_owned()));
        let record = RoundsRecord { version: 1, rounds: 2, people: 60, dead: 0, end: None };
        let ended = RoundsRecord { end: Some(RoundsEnd::NobodyIsLeft), ..record };
        {
            let ledger = Ledger::open(&path, &run).expect("opens");
            assert_eq!(ledger.rounds().expect("reads"), None);
            ledger.set_rounds(&record).expect("writes");
            ledger.set_rounds(&ended).expect("writes");
        }
        let ledger = Ledger::open(&path, &run).expect("opens");
        assert_eq!(ledger.rounds().expect("reads"), Some(ended));
        let json = ledger.read_about(ROUNDS).expect("reads").expect("is there");
        assert_eq!(json, r#"{"version":1,"rounds":2,"people":60,"dead":0,"end":"nobody_is_left"}"#);
    }

    #[test]
    fn a_record_of_another_version_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::open(&folder.path().join("ledger.redb"), &RunId("r1".to_owned())).expect("opens");
        let record = RoundsRecord { version: 2, rounds: 1, people: 50, dead: 0, end: None };
        ledger.set_rounds(&record).expect("writes");
        let error = ledger.rounds().expect_err("is refused").to_string();
        assert!(error.contains("its record of rounds has version 2, expected 1"), "{error}");
        ledger.write_about(ROUNDS, "{}").expect("writes");
        assert!(ledger.rounds().expect_err("is refused").to_string().contains("expected version 1"));
    }
}
