//! Reads a run's ledger row by row, with the database library alone.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

/// Model, respondent, fold.
type Key = (u16, u32, u8);

/// A row: its key and its text.
pub(crate) type Row = (Key, String);

/// The rows of the ledger's table `cells`, in its order. Bytes that are not text are escaped, so that none is lost.
pub(crate) fn cells(folder: &Path) -> Vec<Row> {
    let database = Database::open(folder.join("ledger.redb")).unwrap();
    let table = TableDefinition::<Key, &[u8]>::new("cells");
    let table = database.begin_read().unwrap().open_table(table).unwrap();
    let rows = table.iter().unwrap().map(|row| {
        let (key, value) = row.unwrap();
        (key.value(), value.value().escape_ascii().to_string())
    });
    rows.collect()
}
