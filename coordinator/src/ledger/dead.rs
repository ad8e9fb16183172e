//! Stores the cells that were given up, and why, so that tables can say which cells are missing.

use std::collections::BTreeMap;

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError, TableHandle as _};
use serde::{Deserialize, Serialize};
use valuesim_shared::control::UnixMillis;
use valuesim_shared::id::Cell;

use super::checksum::with_checksum;
use super::{Key, Ledger, LedgerError, json, key_of};

pub(super) const DEAD: TableDefinition<Key, &[u8]> = TableDefinition::new("dead");

/// Why a cell was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadCell {
    /// Why.
    pub reason: String,
    /// When.
    pub at: UnixMillis,
}

/// Cells that were given up.
pub type DeadCells = BTreeMap<Cell, DeadCell>;

impl Ledger {
    /// The cells that were given up and are not finished.
    pub fn dead(&self) -> Result<DeadCells, LedgerError> {
        let transaction = self.database.begin_read().map_err(|error| self.failed("read", error))?;
        let table = match transaction.open_table(DEAD) {
            Ok(table) => table,
            // A ledger without dead cells may lack the table.
            Err(TableError::TableDoesNotExist(_)) => return Ok(DeadCells::new()),
            Err(error) => return Err(self.failed("read", error)),
        };
        let mut dead = DeadCells::new();
        for row in table.iter().map_err(|error| self.failed("read", error))? {
            let (key, value) = row.map_err(|error| self.failed("read", error))?;
            let cell = self.cell_of(key.value())?;
            let json = self.content_of(DEAD, cell, value.value())?;
            dead.insert(cell, serde_json::from_slice(json).map_err(|error| self.damaged(cell, error))?);
        }
        Ok(dead)
    }

    /// Replaces the cells that were given up, leaving out finished ones, and returns once they are on disk.
    pub fn set_dead(&self, dead: &DeadCells) -> Result<(), LedgerError> {
        self.replace_dead(dead).map_err(|error| self.failed("write to", error))
    }

    fn replace_dead(&self, dead: &DeadCells) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let cells = transaction.open_table(super::CELLS)?;
            let mut table = transaction.open_table(DEAD)?;
            table.retain(|_, _| false)?;
            for (&cell, why) in dead {
                let key = key_of(cell);
                if cells.get(key)?.is_none() {
                    table.insert(key, with_checksum(DEAD.name(), key, &json(why)).as_slice())?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
