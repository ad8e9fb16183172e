//! The engine's command line.

use std::path::Path;
use std::process::Command;

use crate::process::{Provider, valuesim};

/// `valuesim run` with a provider. A rate limit is set, so that it is counted, but too high to ever be reached.
pub(crate) fn valuesim_run(provider: &Provider, in_flight: usize, runs: &Path) -> Command {
    let mut command = valuesim(&["run", "--methods", "valuesim", "--model", "m", "--base-url", &provider.base_url]);
    command.args(["--requests-per-minute", "100000000", "--calls-in-flight", &in_flight.to_string()]);
    command.arg("--runs").arg(runs);
    command
}
