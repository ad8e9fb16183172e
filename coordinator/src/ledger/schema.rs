//! Defines the ledger's tables and keys.

use redb::TableDefinition;

/// The version of the ledger's tables; all others are refused.
pub const LEDGER_VERSION: &str = "1";

pub(super) const ABOUT: TableDefinition<&str, &str> = TableDefinition::new("about");
pub(super) const CELLS: TableDefinition<Key, &[u8]> = TableDefinition::new("cells");
pub(super) const SPEND: TableDefinition<Key, &[u8]> = TableDefinition::new("spend");
pub(super) const TRANSCRIPTS: TableDefinition<Key, &[u8]> = TableDefinition::new("transcripts");

/// Rows of cells that were reopened: of the tables above, each under its cell and the time in milliseconds since 1970. A ledger
/// in which no cell was reopened lacks it.
pub(super) const SET_ASIDE: TableDefinition<(Key, u64, &str), &[u8]> = TableDefinition::new("set_aside");

/// Model, respondent, fold.
pub(super) type Key = (u16, u32, u8);
