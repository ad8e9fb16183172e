//! Communication between operators and processes outside the queues: orders for a run, and reports of processes.
//!
//! None of it affects a result. While the server is unreachable, a run goes on as it was last ordered.

mod folder;
mod local;
mod memory;
mod message;
mod port;
mod process;
mod redis;
mod scores;
mod unix_millis;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::port::is_older;
use crate::id::RunId;
use crate::money::NanoUsd;

pub use self::folder::FolderControl;
pub use self::local::{Entries, Entry, LocalControl};
pub use self::memory::MemoryControl;
pub use self::port::{Control, ControlError, Following, Lead};
pub use self::process::{operator, this_process};
pub use self::redis::RedisControl;
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
    /// When it was given.
    pub at: UnixMillis,
}

impl Order {
    /// An order given now.
    pub fn new(desired: DesiredState, by: String) -> Self {
        Self { version: CONTROL_VERSION, desired, by, at: UnixMillis::now() }
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

/// The number of cells of a run in each state.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellCounts {
    /// All cells of the run.
    pub planned: u64,
    /// In the ledger.
    pub finished: u64,
    /// Dispatched, and not finished.
    pub under_way: u64,
    /// Among the dead letters.
    pub dead: u64,
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
    /// Cells finished per second, recently.
    pub cells_per_second: f64,
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

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    /// What one release writes others read: a change here is a new version, or a field that may be missing.
    fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, json: &str) {
        assert_eq!(serde_json::to_string(value).expect("writes"), json);
        assert_eq!(&serde_json::from_str::<T>(json).expect("reads"), value);
    }

    fn process() -> Process {
        Process {
            id: "w1".to_owned(),
            host: "h".to_owned(),
            pid: 7,
            release: "0.1.0".to_owned(),
            started_at: UnixMillis(1),
        }
    }

    #[test]
    fn what_is_told_is_written_and_read_to_the_letter() {
        let run = RunId("r1".to_owned());
        let order = Order { version: 1, desired: DesiredState::Pause, by: "ada@h".to_owned(), at: UnixMillis(5) };
        check(&order, r#"{"version":1,"wish":"pause","by":"ada@h","at":5}"#);
        let cells = CellCounts { planned: 10, finished: 4, under_way: 2, dead: 1 };
        let about = AboutRun {
            version: 1,
            run: run.clone(),
            models: vec!["m".to_owned()],
            phase: RunPhase::OutOfBudget,
            cells,
            spent: NanoUsd(9),
            priced: true,
            stopped_by: None,
            begun_at: UnixMillis(2),
            at: UnixMillis(3),
        };
        check(
            &about,
            r#"{"version":1,"run":"r1","models":["m"],"phase":"out_of_budget","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"spent":9,"begun_at":2,"at":3}"#,
        );
        check(
            &AboutRun { priced: false, stopped_by: Some("disk full".to_owned()), ..about },
            r#"{"version":1,"run":"r1","models":["m"],"phase":"out_of_budget","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"spent":9,"priced":false,"stopped_by":"disk full","begun_at":2,"at":3}"#,
        );
        let worker = WorkerReport {
            version: 1,
            process: process(),
            runs: vec![run.clone()],
            draining: false,
            tasks: 2,
            calls_in_flight: 3,
            capacity: 64,
            calls_per_second: 1.5,
            http: Some("http://127.0.0.1:9".to_owned()),
            last_trouble: Some((UnixMillis(4), "down".to_owned())),
            troubles: Vec::new(),
            at: UnixMillis(6),
        };
        check(
            &worker,
            r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"runs":["r1"],"draining":false,"tasks":2,"calls_in_flight":3,"capacity":64,"calls_per_second":1.5,"http":"http://127.0.0.1:9","last_trouble":[4,"down"],"at":6}"#,
        );
        let of_model = RunTrouble {
            run: run.clone(),
            model: Some("m".to_owned()),
            at: UnixMillis(4),
            text: "down".to_owned(),
            left_alone_until: None,
        };
        let left_alone = RunTrouble { model: None, left_alone_until: Some(UnixMillis(9)), ..of_model.clone() };
        check(
            &WorkerReport { troubles: vec![of_model, left_alone], ..worker },
            r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"runs":["r1"],"draining":false,"tasks":2,"calls_in_flight":3,"capacity":64,"calls_per_second":1.5,"http":"http://127.0.0.1:9","last_trouble":[4,"down"],"troubles":[{"run":"r1","model":"m","at":4,"text":"down"},{"run":"r1","at":4,"text":"down","left_alone_until":9}],"at":6}"#,
        );
        let before_http = r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"runs":[],"draining":false,"tasks":2,"calls_in_flight":3,"capacity":64,"calls_per_second":1.5,"last_trouble":null,"at":6}"#;
        assert_eq!(serde_json::from_str::<WorkerReport>(before_http).expect("reads").http, None);
        let coordinator = CoordinatorReport {
            version: 1,
            process: process(),
            run,
            cells,
            cells_per_second: 0.5,
            last_finished_at: None,
            spent: NanoUsd(9),
            priced: true,
            http: None,
            last_trouble: None,
            at: UnixMillis(6),
        };
        check(
            &coordinator,
            r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"run":"r1","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"cells_per_second":0.5,"spent":9,"http":null,"last_trouble":null,"at":6}"#,
        );
        check(
            &CoordinatorReport { last_finished_at: Some(UnixMillis(5)), priced: false, ..coordinator },
            r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"run":"r1","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"cells_per_second":0.5,"last_finished_at":5,"spent":9,"priced":false,"http":null,"last_trouble":null,"at":6}"#,
        );
    }
}
