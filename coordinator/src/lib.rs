//! Owns a run: plans it, dispatches its cells, records them in the ledger, and scores and reports them.

pub mod baseline;
pub mod bill;
pub mod call_dates;
mod cell_bitmap;
mod chart;
mod code_ranks;
pub mod coordinator;
pub mod cursor;
mod draws;
pub mod estimate;
pub mod evaluation;
pub mod export;
pub mod facts;
#[cfg(test)]
mod fixture;
mod flat_table;
pub mod fleet;
#[cfg(test)]
mod fuzz;
mod grouped;
pub mod kept_replies;
pub mod ledger;
pub mod live;
pub mod metrics;
pub mod off_peak;
mod outcome_rules;
pub mod outlook;
mod parquet_table;
pub mod pilot;
pub mod plan;
pub mod predictions;
pub mod provenance;
pub mod purse_book;
pub mod report;
pub mod results;
pub mod retrieval;
pub mod rounds;
pub mod run_id;
pub mod score;
pub mod show;
pub mod spent;
pub mod statistics;
pub mod table;
pub mod taken_cells;
pub mod terminal_escape;
pub mod verify;
pub mod wall;
