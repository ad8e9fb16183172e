//! A run of three cells whose provider stops replying in the middle of the first cell.

use super::ledger;
use super::process::Running;
use super::recorder::Recorder;
use super::reply_rule;
use super::sandbox::Sandbox;

/// Calls in flight of the run.
pub(crate) const IN_FLIGHT: usize = 8;

/// Calls that the provider answers before it pauses: well inside the first cell.
pub(crate) const ANSWERED: usize = 150;

/// A run of three cells, about 850 calls, and its provider.
pub(crate) struct ThreeCellRun {
    pub(crate) sandbox: Sandbox,
    pub(crate) provider: Recorder,
    flags: &'static [&'static str],
}

impl ThreeCellRun {
    /// A run with these flags beside its own.
    pub(crate) fn with_flags(flags: &'static [&'static str]) -> Self {
        Self { sandbox: Sandbox::new(), provider: Recorder::start(reply_rule::reply), flags }
    }

    /// Starts the run in a folder of runs.
    pub(crate) fn start(&self, runs: &str) -> Running {
        let (url, in_flight) = (self.provider.base_url(), IN_FLIGHT.to_string());
        let sample = ["run", "--synthetic", "60", "--users", "3", "--folds", "1"];
        let model = ["--model", "m", "--base-url", &url, "--calls-in-flight", &in_flight, "--runs", runs];
        self.sandbox.start(&[&sample[..], &model, self.flags].concat())
    }

    /// Starts the run in the folder `runs` and returns when all its calls in flight wait for a reply.
    pub(crate) fn start_and_pause_replies(&self) -> Running {
        self.provider.pause_replies_after(ANSWERED);
        let running = self.start("runs");
        self.provider.wait_for(ANSWERED + IN_FLIGHT);
        running
    }

    /// The rows of the ledger in a folder of runs.
    pub(crate) fn cells(&self, runs: &str) -> Vec<((u16, u32, u8), String)> {
        ledger::cells(&self.sandbox.run_folder(runs))
    }
}
