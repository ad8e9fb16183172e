//! Reopens cells: their rows are set aside, so that the run asks for them again.

use redb::{ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableError, TableHandle as _};
use valuesim_shared::control::UnixMillis;
use valuesim_shared::id::Cell;

use super::dead::DEAD;
use super::schema::{CELLS, SET_ASIDE, SPEND, TRANSCRIPTS};
use super::{Ledger, LedgerError, key_of};

impl Ledger {
    /// Takes the rows of these cells out of their tables and keeps them aside, as they are, whether or not they can be read.
    /// Returns the cells that had any, in the order given, once that is on disk.
    ///
    /// # Errors
    /// If the ledger cannot be written; then it is unchanged.
    pub fn reopen(&self, cells: &[Cell]) -> Result<Vec<Cell>, LedgerError> {
        self.move_aside(cells, UnixMillis::now()).map_err(|error| self.failed("write to", error))
    }

    fn move_aside(&self, cells: &[Cell], UnixMillis(at): UnixMillis) -> Result<Vec<Cell>, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut reopened = Vec::new();
        {
            let mut aside = transaction.open_table(SET_ASIDE)?;
            for definition in [CELLS, SPEND, TRANSCRIPTS, DEAD] {
                let mut table = transaction.open_table(definition)?;
                for &cell in cells {
                    let key = key_of(cell);
                    let Some(row) = table.remove(key)? else { continue };
                    aside.insert((key, at, definition.name()), row.value())?;
                    if !reopened.contains(&cell) {
                        reopened.push(cell);
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(reopened)
    }

    /// How many rows of reopened cells are kept aside.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn rows_set_aside(&self) -> Result<u64, LedgerError> {
        let transaction = self.database.begin_read().map_err(|error| self.failed("read", error))?;
        match transaction.open_table(SET_ASIDE) {
            Ok(table) => table.len().map_err(|error| self.failed("read", error)),
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    /// The cells that were reopened: somebody wants them done again. Some may come several times.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub(crate) fn reopened(&self) -> Result<Vec<Cell>, LedgerError> {
        let transaction = self.database.begin_read().map_err(|error| self.failed("read", error))?;
        let table = match transaction.open_table(SET_ASIDE) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("read", error)),
        };
        let rows = table.iter().map_err(|error| self.failed("read", error))?;
        rows.map(|row| self.cell_of(row.map_err(|error| self.failed("read", error))?.0.value().0)).collect()
    }

    /// Whether the cell was reopened: somebody wants it done again.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub(crate) fn was_reopened(&self, cell: Cell) -> Result<bool, LedgerError> {
        let (key, failed) = (key_of(cell), |error| self.failed("read", error));
        let transaction = self.database.begin_read().map_err(|error| self.failed("read", error))?;
        let table = match transaction.open_table(SET_ASIDE) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(false),
            Err(error) => return Err(self.failed("read", error)),
        };
        let first = table.range((key, 0, "")..).map_err(failed)?.next().transpose().map_err(failed)?;
        Ok(first.is_some_and(|(found, _)| found.value().0 == key))
    }
}
