//! Defines the ledger's tables and keys.

use redb::TableDefinition;

/// The version of the ledger's tables; all others are refused.
pub const LEDGER_VERSION: &str = "1";

pub(super) const ABOUT: TableDefinition<&str, &str> = TableDefinition::new("about");
pub(super) const CELLS: TableDefinition<Key, &[u8]> = TableDefinition::new("cells");
pub(super) const SPEND: TableDefinition<Key, &[u8]> = TableDefinition::new("spend");
pub(super) const TRANSCRIPTS: TableDefinition<Key, &[u8]> = TableDefinition::new("transcripts");

/// Model, respondent, fold.
pub(super) type Key = (u16, u32, u8);
