//! One file for each subcommand.

pub(crate) mod run;
pub(crate) mod simulate_provider;
pub(crate) mod synth;
