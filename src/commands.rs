//! One file for each subcommand.

pub(crate) mod cancel;
pub(crate) mod completions;
mod confirm;
mod control;
pub(crate) mod coordinate;
pub(crate) mod dashboard;
pub(crate) mod dead;
pub(crate) mod export;
pub(crate) mod health;
mod job;
pub(crate) mod man;
mod manifest_1;
pub(crate) mod metrics;
mod open_run;
pub(crate) mod pause;
pub(crate) mod purge;
mod queues;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod show;
pub(crate) mod simulate_provider;
pub(crate) mod status;
pub(crate) mod synth;
pub(crate) mod verify;
pub(crate) mod work;
