//! What the tests of the command stand on: a folder, servers, survey files, ledgers.

pub(crate) mod fixture;
pub(crate) mod ledger;
pub(crate) mod parquet_file;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod relay;
pub(crate) mod simulated;
pub(crate) mod survey;
pub(crate) mod vectors;
pub(crate) mod voice;
