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

/// Notes that cells were finished on this day. A clock may be set back, and cells of an earlier run are from before.
pub(super) fn note(transaction: &WriteTransaction, day: Day) -> Result<(), redb::Error> {
    let (mut about, day) = (transaction.open_table(ABOUT)?, day.to_string());
    let [first, last] = [FIRST, LAST].map(|key| about.get(key).map(|day| day.map(|day| day.value().to_owned())));
    let (first, last) = (first?, last?);
    if first.is_none_or(|first| first > day) {
        about.insert(FIRST, day.as_str())?;
    }
    if last.is_none_or(|last| last < day) {
        about.insert(LAST, day.as_str())?;
    }
    Ok(())
}
