//! The last parts of the keys of runs and cells, and answers as bytes.

use redis::Value;

use crate::id::{Cell, RunId};
use crate::redis_connection::key;

/// The last parts of keys.
pub(super) const STORY: &str = "story";
pub(super) const CALLS: &str = "calls";
pub(super) const OUTCOME: &str = "outcome";
pub(super) const MANIFEST: &str = "manifest";

/// The last part of the key of a cell's lease, which holds its owner's name.
pub(super) const OWNER: &str = "holder";

/// The last part of the key of a bitmap with one bit for each respondent.
const FINISHED: &str = "finished";

/// The key of the bitmap that says whether the cell is finished.
pub(super) fn finished_key(run: &RunId, cell: Cell) -> String {
    key::of_fold(run, cell, FINISHED)
}

/// The bytes of an answer; `None` if it has none.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}
