//! Messages as the suite sends them.

use valuesim_shared::control::{
    AboutRun, Activity, CONTROL_VERSION, CallTotals, CellCounts, CoordinatorReport, Pace, Process, RunPhase,
    UnixMillis, WorkerReport,
};
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;

pub(crate) fn run(name: &str) -> RunId {
    RunId(name.to_owned())
}

pub(crate) fn process(id: &str, started_at: u64) -> Process {
    let (host, release) = ("host".to_owned(), "0.1.0".to_owned());
    Process { id: id.to_owned(), host, pid: 7, release, started_at: UnixMillis(started_at) }
}

pub(crate) fn worker(id: &str) -> WorkerReport {
    WorkerReport {
        version: CONTROL_VERSION,
        process: process(id, 1),
        runs: vec![run("r")],
        draining: false,
        tasks: 2,
        calls_in_flight: 3,
        capacity: 64,
        calls_per_second: 12.5,
        http: None,
        last_trouble: None,
        troubles: Vec::new(),
        activity: Activity::default(),
        at: UnixMillis::now(),
    }
}

pub(crate) fn coordinator(id: &str) -> CoordinatorReport {
    CoordinatorReport {
        version: CONTROL_VERSION,
        process: process(id, 1),
        run: run("r"),
        cells: CellCounts { planned: 10, finished: 1, under_way: 2, dead: 0, at_most: None },
        cells_per_second: 0.5,
        pace: Pace::default(),
        last_finished_at: None,
        spent: NanoUsd(7),
        priced: true,
        http: Some("http://127.0.0.1:9090".to_owned()),
        last_trouble: Some((UnixMillis(3), "slow".to_owned())),
        at: UnixMillis::now(),
    }
}

pub(crate) fn about(name: &str, phase: RunPhase) -> AboutRun {
    AboutRun {
        version: CONTROL_VERSION,
        run: run(name),
        models: vec!["m".to_owned()],
        phase,
        cells: CellCounts::default(),
        spent: NanoUsd(1),
        calls: CallTotals::default(),
        budget: None,
        priced: true,
        stopped_by: None,
        begun_at: UnixMillis(1),
        at: UnixMillis(2),
    }
}
