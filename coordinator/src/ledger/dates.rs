//! Keeps the days on which the first and the last cell were finished.

use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};

use super::schema::{ABOUT, CELLS};
use crate::call_dates::Day;

/// The entries of `about`. Earlier builds ignore them.
pub(super) const FIRST: &str = "first cell finished";
pub(super) const LAST: &str = "last cell finished";

/// Whether the dates of the cells that are in the ledger are known: before they are written, to be asked once for each
/// transaction.
pub(super) fn are_known(transaction: &WriteTransaction) -> Result<bool, redb::Error> {
    let is_empty = transaction.open_table(CELLS)?.is_empty()?;
    Ok(is_empty || transaction.open_table(ABOUT)?.get(FIRST)?.is_some())
}

/// Notes that cells were finished today.
pub(super) fn note(transaction: &WriteTransaction, today: Day) -> Result<(), redb::Error> {
    let mut about = transaction.open_table(ABOUT)?;
    if about.get(FIRST)?.is_none() {
        about.insert(FIRST, today.to_string().as_str())?;
    }
    // A clock may be set back.
    let last = about.get(LAST)?.map(|day| day.value().to_owned());
    if last.is_none_or(|last| last < today.to_string()) {
        about.insert(LAST, today.to_string().as_str())?;
    }
    Ok(())
}
