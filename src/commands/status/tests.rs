//! Statuses as they are shown, in health and in trouble.

use valuesim_shared::control::{
    AboutRun, Activity, ArmScores, CONTROL_VERSION, CallTotals, CellCounts, CoordinatorReport, DesiredState,
    MeanOverPeople, Order, Pace, Process, RunPhase, RunScores, ScoreSoFar, Scored, UnixMillis, WorkerReport,
};
use valuesim_shared::id::ModelId;
use valuesim_shared::method::Method;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::{Depth, QueueKind, QueueName};

mod troubles;

use super::attention::attention;
use super::found::{RunStatus, STATUS_VERSION, Server, Unreached};
use super::*;
use crate::commands::queues::FoundQueue;

const NOW: u64 = 1_795_492_800_000;

pub(super) fn seconds_ago(seconds: u64) -> UnixMillis {
    UnixMillis(NOW - seconds * 1_000)
}

pub(super) fn run_id() -> RunId {
    RunId("ours-0a1b2c".to_owned())
}

fn process(kind: &str, pid: u32) -> Process {
    let (host, release) = ("h1".to_owned(), "0.1.0".to_owned());
    Process { id: format!("{kind}-{pid}"), host, pid, release, started_at: seconds_ago(300) }
}

const CELLS: CellCounts = CellCounts { planned: 486_100, finished: 12_345, under_way: 2_000, dead: 0, at_most: None };

fn about() -> AboutRun {
    AboutRun {
        version: CONTROL_VERSION,
        run: run_id(),
        models: vec!["gpt-4o-mini".to_owned(), "deepseek-flash".to_owned()],
        phase: RunPhase::Begun,
        cells: CELLS,
        spent: NanoUsd(12_340_000_000),
        calls: CallTotals::default(),
        budget: None,
        priced: true,
        stopped_by: None,
        begun_at: seconds_ago(7_200),
        at: seconds_ago(1),
    }
}

pub(super) fn coordinator() -> CoordinatorReport {
    CoordinatorReport {
        version: CONTROL_VERSION,
        process: process("coordinator", 71),
        run: run_id(),
        cells: CELLS,
        cells_per_second: 12.5,
        pace: Pace::default(),
        last_finished_at: Some(seconds_ago(1)),
        spent: NanoUsd(12_345_000_000),
        priced: true,
        http: Some("http://127.0.0.1:9100".to_owned()),
        last_trouble: None,
        at: seconds_ago(1),
    }
}

pub(super) fn worker(pid: u32) -> WorkerReport {
    WorkerReport {
        version: CONTROL_VERSION,
        process: process("worker", pid),
        runs: vec![run_id()],
        draining: false,
        tasks: 40,
        calls_in_flight: 63,
        capacity: 64,
        calls_per_second: 31.25,
        http: Some("http://127.0.0.1:9200".to_owned()),
        last_trouble: None,
        troubles: Vec::new(),
        activity: Activity::default(),
        at: seconds_ago(1),
    }
}

/// An order that pauses the run.
pub(super) fn pause() -> Order {
    let by = "ada@h1".to_owned();
    Order { at: seconds_ago(90), ..Order::new(DesiredState::Pause, by) }
}

fn queues(waiting: impl Fn(QueueKind) -> Option<u32>) -> Vec<FoundQueue> {
    let of_model = |model| [QueueKind::Story(model), QueueKind::Cab(model), QueueKind::Quarantine(model)];
    let kinds = [ModelId(0), ModelId(1)].into_iter().flat_map(of_model).chain([QueueKind::Results, QueueKind::Dead]);
    let queue = |kind| FoundQueue {
        name: QueueName { run: run_id(), kind },
        depth: waiting(kind).map(|messages| Depth { messages, consumers: 1 }),
    };
    kinds.map(queue).collect()
}

fn scores() -> RunScores {
    let mean = |mean, half_width| MeanOverPeople {
        persons: 2_391,
        mean,
        standard_error: Some(half_width / 2.0),
        interval: Some([mean - half_width, mean + half_width]),
        no_interval: None,
    };
    let arm = |method, model: Option<&str>, accuracy, mae| ArmScores {
        method,
        model: model.map(str::to_owned),
        overall: ScoreSoFar { answers: 665_702, accuracy: Some(accuracy), mae },
        categories: [].into(),
    };
    RunScores {
        version: CONTROL_VERSION,
        run: run_id(),
        simulated: false,
        cells: Scored { scored: 11_954, planned: 486_100 },
        persons: Scored { scored: 2_391, planned: 97_220 },
        persons_in_part: 12,
        arms: vec![
            arm(Method::Mode, None, mean(0.462_1, 0.004), Some(mean(0.211, 0.002))),
            arm(Method::ValueSim, Some("gpt-4o-mini"), mean(0.512_34, 0.003_2), None),
        ],
        at: seconds_ago(2),
    }
}

pub(super) fn healthy() -> Status {
    let run = RunStatus {
        about: Some(about()),
        coordinators: vec![coordinator()],
        scores: Some(scores()),
        queues: Some(queues(|kind| match kind {
            QueueKind::Story(_) => Some(1_900),
            QueueKind::Quarantine(ModelId(1)) | QueueKind::NextVersion(..) => None,
            QueueKind::Cab(_) | QueueKind::Quarantine(_) | QueueKind::Results | QueueKind::Dead => Some(0),
        })),
        ..RunStatus::unknown(&run_id())
    };
    let workers = vec![worker(72), worker(73)];
    Status {
        version: STATUS_VERSION,
        at: UnixMillis(NOW),
        unreached: Vec::new(),
        of_fleet: true,
        runs: vec![run],
        workers,
        unreadable: 0,
    }
}

/// The status as it is shown, once the conclusions are drawn.
fn shown(mut status: Status) -> String {
    status.conclude();
    text::text(&status)
}

#[test]
fn a_run_that_goes_well() {
    insta::assert_snapshot!(shown(healthy()));
}

#[test]
fn a_run_in_all_kinds_of_trouble() {
    let mut status = healthy();
    let run = &mut status.runs[0];
    run.order = Some(pause());
    run.queues = Some(queues(|kind| match kind {
        QueueKind::Dead => Some(1),
        QueueKind::Results => Some(6_000),
        QueueKind::Story(_) | QueueKind::Cab(_) | QueueKind::Quarantine(_) | QueueKind::NextVersion(..) => Some(3),
    }));
    let limited = "429: slow\ndown \u{1b}[2J".to_owned();
    status.workers[0].last_trouble = Some((seconds_ago(30), limited.clone()));
    status.workers[1].last_trouble = Some((seconds_ago(20), limited));
    status.workers[1].at = seconds_ago(8);
    status.workers[1].process.release = "0.2.0".to_owned();
    status.workers[1].process.host = "h2\u{202e}".to_owned();
    let old = WorkerReport { last_trouble: Some((seconds_ago(3_600), "long ago".to_owned())), ..worker(74) };
    status.workers.push(WorkerReport { draining: true, ..old });
    status.unreadable = 1;
    run.coordinators.push(CoordinatorReport {
        process: process("coordinator", 99),
        last_trouble: Some((seconds_ago(5), "the store is away".to_owned())),
        ..coordinator()
    });
    insta::assert_snapshot!(shown(status));
}

#[test]
fn a_run_that_everybody_has_left() {
    let mut status = healthy();
    status.workers.clear();
    status.runs[0].coordinators.clear();
    status.runs[0].queues = Some(queues(|_| Some(1)));
    insta::assert_snapshot!(shown(status));
}

#[test]
fn a_store_that_is_away_hides_processes_and_says_nothing_of_them() {
    let mut status = healthy();
    status.workers.clear();
    let run = &mut status.runs[0];
    (run.about, run.coordinators) = (None, Vec::new());
    status.unreached.push(Unreached { server: Server::Store, why: "reach it: connection\nrefused".to_owned() });
    insta::assert_snapshot!(shown(status));
}

#[test]
fn a_broker_that_is_away_hides_queues_alone() {
    let mut status = healthy();
    status.runs[0].queues = None;
    status.unreached.push(Unreached { server: Server::Broker, why: "connection refused".to_owned() });
    insta::assert_snapshot!(shown(status));
}

#[test]
fn a_look_that_took_too_long_is_no_broker_that_is_away() {
    let mut status = healthy();
    status.runs[0].queues = None;
    assert!(!status.is_whole());
    let text = shown(status);
    assert!(text.contains("the look at its queues was not finished within 2 s"), "{text}");
    assert!(!text.contains("not reached"), "{text}");
}

#[test]
fn nothing_to_look_at() {
    let status = Status { runs: Vec::new(), workers: Vec::new(), ..healthy() };
    insta::assert_snapshot!(shown(status));
}

#[test]
fn runs_that_have_ended() {
    let check = |phase, dead, expected: &str| {
        let cells = CellCounts { dead, ..CELLS };
        assert_eq!(super::phase(&AboutRun { phase, cells, ..about() }), expected);
    };
    check(RunPhase::Finished, 0, "finished");
    check(RunPhase::Finished, 3, "finished with 3 dead");
    check(RunPhase::Cancelled, 3, "cancelled");
    check(RunPhase::OutOfBudget, 0, "out of budget");
    check(RunPhase::Failed, 0, "failed");
}

/// The sentences that say so and no others, for a change to a healthy run.
fn check_attention(change: impl FnOnce(&mut Status), expected: &[&str]) {
    let mut status = healthy();
    change(&mut status);
    let said = attention(&status, &status.runs[0]);
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn workers_that_do_not_take_what_waits_are_told_apart() {
    check_attention(|_| {}, &[]);
    check_attention(|status| status.workers.clear(), &["3,800 tasks wait and no worker serves the run"]);
    check_attention(
        |status| status.workers.iter_mut().for_each(|worker| worker.draining = true),
        &["all workers are about to end"],
    );
    check_attention(|status| status.workers.iter_mut().for_each(|worker| worker.tasks = 0), &["no worker takes them"]);
    let others = |status: &mut Status| {
        status.workers.iter_mut().for_each(|worker| worker.runs = vec![RunId("other".to_owned())]);
    };
    check_attention(others, &["no worker serves the run"]);
}

#[test]
fn a_paused_run_needs_no_worker() {
    let paused = |desired| {
        move |status: &mut Status| {
            status.workers.clear();
            let by = "ada@h1".to_owned();
            status.runs[0].order = Some(Order { at: seconds_ago(60), ..Order::new(desired, by) });
        }
    };
    check_attention(paused(DesiredState::Pause), &["it is paused (pause, given by ada@h1"]);
    check_attention(paused(DesiredState::Cancel), &["it is being cancelled"]);
    check_attention(paused(DesiredState::Go), &["no worker serves the run"]);
}

#[test]
fn a_run_of_which_no_cell_is_finished_for_long_may_be_stuck() {
    let silent = |since_start, since_last: Option<u64>| {
        move |status: &mut Status| {
            let coordinator = &mut status.runs[0].coordinators[0];
            coordinator.process.started_at = seconds_ago(since_start);
            coordinator.last_finished_at = since_last.map(seconds_ago);
        }
    };
    let stuck = &["no cell was finished for 11 minutes, and 2,000 are in progress"];
    check_attention(silent(3_600, Some(660)), stuck);
    check_attention(silent(660, None), stuck);
    check_attention(silent(3_600, Some(599)), &[]);
    check_attention(silent(599, None), &[]);
    let ordered = |desired, seconds| {
        move |status: &mut Status| {
            silent(3_600, None)(status);
            let by = "ada@h1".to_owned();
            status.runs[0].order = Some(Order { at: seconds_ago(seconds), ..Order::new(desired, by) });
        }
    };
    check_attention(ordered(DesiredState::Pause, 1_800), &["it is paused"]);
    check_attention(ordered(DesiredState::Go, 60), &[]);
    check_attention(ordered(DesiredState::Go, 660), stuck);
    check_attention(
        |status| {
            silent(3_600, None)(status);
            status.runs[0].coordinators[0].cells.under_way = 0;
        },
        &[],
    );
}

#[test]
fn a_coordinator_that_ended_on_an_error_and_prices_that_are_not_known_are_shown() {
    let mut status = healthy();
    let run = &mut status.runs[0];
    run.coordinators.clear();
    let about = run.about.as_mut().expect("it is known");
    about.stopped_by = Some("write the ledger: no space left on device".to_owned());
    (about.priced, about.spent, about.at) = (false, NanoUsd(0), seconds_ago(120));
    insta::assert_snapshot!(shown(status));
}

#[test]
fn what_a_run_has_cost_is_said_as_far_as_it_is_known() {
    assert_eq!(text::spent(NanoUsd(1_250_000_000), true), "$1.25");
    assert_eq!(text::spent(NanoUsd(0), true), "$0.00");
    assert_eq!(text::spent(NanoUsd(0), false), "price unknown");
    assert_eq!(text::spent(NanoUsd(1_250_000_000), false), "at least $1.25, a price is unknown");
}
