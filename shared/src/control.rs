//! Communication between operators and processes outside the queues: orders for a run, and reports of processes.
//!
//! None of it affects a result. While the server is unreachable, a run goes on as it was last ordered.

mod activity;
mod calls;
mod change;
mod folder;
mod forecast;
mod history;
mod local;
mod memory;
mod message;
mod port;
mod process;
mod redis;
mod refusal;
mod scores;
#[cfg(test)]
mod tests;
mod unix_millis;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::money::NanoUsd;

pub use self::activity::{Activity, FailureClass, RunActivity, WaitReason, WaitReport};
pub use self::calls::{CallTotals, CallsByWorker};
pub use self::change::{Change, ChangeKind, MAX_CHANGES};
pub use self::folder::FolderControl;
pub use self::forecast::Forecast;
pub use self::history::{History, HistoryPoint, MAX_POINTS};
pub use self::local::{Entries, Entry, LocalControl};
pub use self::memory::MemoryControl;
pub use self::port::{Control, ControlError, Following, Lead};
pub use self::process::{operator, this_process};
pub use self::redis::RedisControl;
pub use self::refusal::{Refusal, WhatWasSaid};
pub use self::scores::{ArmScores, MeanOverPeople, RunScores, ScoreSoFar, Scored};
pub use self::unix_millis::UnixMillis;

/// The version of orders, runs and reports. A reader skips other versions, and counts them.
pub const CONTROL_VERSION: u16 = 1;

/// How often processes check for an order: it takes effect within about a second.
pub const ORDER_EVERY: Duration = Duration::from_secs(1);

/// How often a process reports that it is alive.
pub const REPORT_EVERY: Duration = Duration::from_secs(2);

/// How long a process counts as alive after its last report, so that a few reports may be late.
pub const REPORT_EXPIRY: Duration = Duration::from_secs(10);

/// How long the lease of a coordinator on its run lasts; the coordinator renews it every [`REPORT_EVERY`].
pub const LEASE_EXPIRY: Duration = Duration::from_secs(10);

/// The state that an operator wants a run to be in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// It runs.
    #[default]
    Go,
    /// It makes no new calls; calls in flight finish, and everything is kept.
    Pause,
    /// It ends; finished cells are kept.
    Cancel,
}

impl fmt::Display for DesiredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "go on",
            Self::Pause => "pause",
            Self::Cancel => "end",
        })
    }
}

/// The desired state of a run, with who asked for it and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// [`CONTROL_VERSION`] of the writer.
    pub version: u16,
    /// The desired state.
    #[serde(rename = "wish")]
    pub desired: DesiredState,
    /// Who gave the order: a user and a host, or a reason.
    pub by: String,
    /// Why, in the words of whoever gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run's budget, if an operator has set one: orders that follow keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<NanoUsd>,
    /// When it was given.
    pub at: UnixMillis,
}

impl Order {
    /// An order given now, without a reason.
    pub fn new(desired: DesiredState, by: String) -> Self {
        Self { version: CONTROL_VERSION, desired, by, reason: None, budget: None, at: UnixMillis::now() }
    }

    /// The order with the budget of the order that it replaces, unless it sets one itself.
    #[must_use]
    pub fn keeping_budget_of(self, before: Option<&Self>) -> Self {
        let budget = self.budget.or(before.and_then(|before| before.budget));
        Self { budget, ..self }
    }
}

/// The phase of a run as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// A coordinator has started it, and it has not ended.
    Begun,
    /// All its cells are finished or dead.
    Finished,
    /// An operator ended it.
    Cancelled,
    /// Its budget was spent.
    OutOfBudget,
    /// It stopped on an error.
    Failed,
}

/// A run's entry in the list of runs. It outlives the run's coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutRun {
    /// [`CONTROL_VERSION`] of the writer.
    pub version: u16,
    /// Which run.
    pub run: RunId,
    /// The names of its models.
    pub models: Vec<String>,
    /// Its phase.
    pub phase: RunPhase,
    /// Its cells.
    pub cells: CellCounts,
    /// What it has cost so far.
    pub spent: NanoUsd,
    /// What the calls of all its workers came to, as far as they have reported it.
    #[serde(default, skip_serializing_if = "CallTotals::is_nothing")]
    pub calls: CallTotals,
    /// How much of its budget is used, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetUse>,
    /// Whether the prices of all its models are known.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub priced: bool,
    /// The error that ended its coordinator, if one did. The run then waits for another coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// When it was started.
    pub begun_at: UnixMillis,
    /// When this was written.
    pub at: UnixMillis,
}

/// How much of a run's budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetUse {
    /// What the run may cost in all.
    pub limit: NanoUsd,
    /// What its calls have cost; those of which nobody saw the end with the most that they can have cost.
    pub spent: NanoUsd,
    /// What is held for calls in flight, and in a fleet for the next ones.
    pub reserved: NanoUsd,
}

/// The number of cells of a run in each state.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellCounts {
    /// All cells of the run; of rounds, those of the people so far.
    pub planned: u64,
    /// In the ledger.
    pub finished: u64,
    /// Dispatched, and not finished.
    pub under_way: u64,
    /// Among the dead letters.
    pub dead: u64,
    /// The most cells that there may be, if people are asked in rounds and more may follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

/// A process of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// A name that no other process has or had.
    pub id: String,
    /// The machine's name.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// The release that it runs.
    pub release: String,
    /// When it started.
    pub started_at: UnixMillis,
}

/// What a worker reports about itself every [`REPORT_EVERY`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// [`CONTROL_VERSION`] of the writer.
    pub version: u16,
    /// Which process.
    pub process: Process,
    /// The runs that it serves.
    pub runs: Vec<RunId>,
    /// Whether it takes no more tasks, because it is about to end.
    pub draining: bool,
    /// Tasks that it has taken and not yet finished.
    pub tasks: u32,
    /// Calls in flight.
    pub calls_in_flight: u32,
    /// Its maximum of calls in flight.
    pub capacity: u32,
    /// Calls answered per second, recently.
    pub calls_per_second: f64,
    /// The address at which it serves probes and metrics, if it does.
    #[serde(default)]
    pub http: Option<String>,
    /// The last problem and when it occurred, if there was one.
    pub last_trouble: Option<(UnixMillis, String)>,
    /// The problems of each of its runs, and of the runs that it left for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<RunTrouble>,
    /// What its calls came to, and what they wait for.
    #[serde(default, skip_serializing_if = "Activity::is_nothing")]
    pub activity: Activity,
    /// When this was written.
    pub at: UnixMillis,
}

/// A problem with a run at one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTrouble {
    /// The run.
    pub run: RunId,
    /// The model's name, if the problem concerns one model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it occurred.
    pub at: UnixMillis,
    /// A description.
    pub text: String,
    /// Until when the worker leaves the run because of it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_alone_until: Option<UnixMillis>,
    /// Whether the worker will not serve the run before somebody changes something, and what led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// What a coordinator reports about itself and its run every [`REPORT_EVERY`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoordinatorReport {
    /// [`CONTROL_VERSION`] of the writer.
    pub version: u16,
    /// Which process.
    pub process: Process,
    /// Its run.
    pub run: RunId,
    /// The run's cells.
    pub cells: CellCounts,
    /// Cells finished per second in the last five minutes.
    pub cells_per_second: f64,
    /// The same at other times.
    #[serde(default, skip_serializing_if = "Pace::is_unknown")]
    pub pace: Pace,
    /// When the last cell was finished, if one was since the process started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_finished_at: Option<UnixMillis>,
    /// What the run has cost so far.
    pub spent: NanoUsd,
    /// Whether the prices of all its models are known.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub priced: bool,
    /// The address at which it serves probes and metrics, if it does.
    pub http: Option<String>,
    /// The last problem and when it occurred, if there was one.
    pub last_trouble: Option<(UnixMillis, String)>,
    /// When this was written.
    pub at: UnixMillis,
}

/// How fast a run is, besides its present rate.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Cells finished per second in the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_minute: Option<f64>,
    /// Cells finished per second in the ten minutes around an hour ago, if the run is that old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour_ago: Option<f64>,
    /// What the run costs per hour, measured over the last hour or since it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_per_hour: Option<NanoUsd>,
}

impl Pace {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(flag: &bool) -> bool {
    *flag
}

/// All entries of one kind, as far as they can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The entries that could be read.
    pub all: Vec<T>,
    /// How many entries were written by other releases, or are damaged.
    pub unreadable: usize,
}
