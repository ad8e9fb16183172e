//! What the keys of a run and a cell end with, and values as bytes.

use redis::Value;

use crate::id::{Cell, RunId};
use crate::link::key;

/// What a cell's keys are called.
pub(super) const STORY: &str = "story";
pub(super) const CALLS: &str = "calls";
pub(super) const MANIFEST: &str = "manifest";

/// The end of the key of a cell's lease, under which its owner is.
pub(super) const OWNER: &str = "holder";

/// The end of the key of a bitmap with one bit for each respondent.
const FINISHED: &str = "finished";

/// The key of the bitmap that says whether the cell is finished.
pub(super) fn finished_key(run: &RunId, cell: Cell) -> String {
    key::of_fold(run, cell, FINISHED)
}

/// The bytes of an answer; none of one that has none.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}
