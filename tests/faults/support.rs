//! What the fault tests share: a simulated provider, and a ledger's rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use valuesim_shared::codebook::Codebook;
use valuesim_simulator::provider::{Latency, Provider, ProviderOptions};

/// The table of predictions, by model, respondent and fold.
pub(crate) const CELLS: TableDefinition<(u16, u32, u8), &[u8]> = TableDefinition::new("cells");

/// The rows of one of a ledger's tables.
pub(crate) type Rows = BTreeMap<(u16, u32, u8), Vec<u8>>;

/// A provider that takes `latency` for each reply.
pub(crate) async fn provider(latency: Duration) -> Provider {
    provider_with(ProviderOptions { latency: Latency::Fixed(latency), ..ProviderOptions::default() }).await
}

/// A provider with these options.
pub(crate) async fn provider_with(options: ProviderOptions) -> Provider {
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    Provider::start(anywhere, options, Arc::new(Codebook::built_in())).await.expect("listens")
}

/// The ledger of the only run in a runs folder.
pub(crate) fn only_ledger(runs: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(runs).expect("the folder of runs exists");
    let folder = folders.next().expect("there is a run").expect("reads").path();
    assert!(folders.next().is_none(), "there is only one run");
    folder.join("ledger.redb")
}

/// All rows of one of its tables.
pub(crate) fn rows(ledger: &Path, table: TableDefinition<(u16, u32, u8), &[u8]>) -> Rows {
    let database = Database::open(ledger).expect("opens");
    let table = database.begin_read().expect("reads").open_table(table).expect("is there");
    let rows = table.iter().expect("reads");
    rows.map(|row| row.map(|(key, value)| (key.value(), value.value().to_vec())).expect("reads")).collect()
}
