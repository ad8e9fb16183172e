//! What the tests of the command share: a sandbox, servers, survey files and ledgers.

pub(crate) mod browser;
pub(crate) mod fixture;
pub(crate) mod ledger;
pub(crate) mod money;
pub(crate) mod parquet_file;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod relay;
pub(crate) mod reply_rule;
pub(crate) mod sandbox;
pub(crate) mod simulated;
pub(crate) mod survey;
pub(crate) mod three_cell_run;
pub(crate) mod vectors;
