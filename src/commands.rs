//! One file for each subcommand.

pub(crate) mod coordinate;
pub(crate) mod export;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod simulate_provider;
pub(crate) mod synth;
pub(crate) mod verify;
mod viewed;
pub(crate) mod work;
