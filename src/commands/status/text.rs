//! Formats a status for a terminal.

use std::time::Duration;

use indicatif::{HumanCount, HumanDuration};
use valuesim_shared::control::{
    AboutRun, BudgetUse, CellCounts, Change, CoordinatorReport, DesiredState, FailureClass, RunPhase, UnixMillis,
    WorkerReport,
};
use valuesim_shared::money::NanoUsd;

use super::conclusion::{Money, Outlook, Range, Waiting, WaitingKind};
use super::found::{QUEUES_WITHIN, RunStatus, Server, Status};
use super::scores::scores_text;
use crate::age::ago;
use crate::columns::{NOTHING, columns, one_line, shortened};
use crate::commands::control::in_force;
use crate::commands::queues::FoundQueue;

const INDENT: &str = "  ";

/// Maximum characters of a problem in a table.
const MAX_TROUBLE_CHARS: usize = 60;

/// The most changes that are shown.
const MAX_SHOWN_CHANGES: usize = 5;

/// The whole status; servers that could not be reached come first.
pub(super) fn text(status: &Status) -> String {
    let mut parts = vec![heading(status)];
    parts.extend(status.runs.iter().map(|run| run_text(status, run)));
    if status.runs.is_empty() && status.has_reached(Server::Store) {
        let nothing = if status.of_fleet {
            "no active runs; `valuesim runs` lists all runs\n"
        } else {
            "no active runs in this folder; for a fleet, pass --broker and --store\n"
        };
        parts.push(nothing.to_owned());
    }
    if status.has_reached(Server::Store) {
        parts.push(workers(status));
    }
    parts.join("\n")
}

fn heading(status: &Status) -> String {
    let mut text = format!("status of {}\n", status.at);
    for unreached in &status.unreached {
        let (server, lost) = match unreached.server {
            Server::Store => ("store", "runs, coordinators and workers cannot be seen"),
            Server::Broker => ("broker", "queues cannot be seen"),
        };
        text += &format!("the {server} could not be reached, so {lost}: {}\n", one_line(&unreached.why));
    }
    if status.unreadable > 0 {
        text += &format!(
            "{} written by other releases and cannot be read\n",
            count(status.unreadable, "thing was", "things were")
        );
    }
    text
}

fn run_text(status: &Status, run: &RunStatus) -> String {
    let mut text = format!("run {}: {}\n", one_line(&run.run.0), state(status, run));
    text += &columns(INDENT, &facts(status, run));
    match &run.queues {
        Some(queues) if queues.is_empty() => {}
        Some(queues) => text += &format!("\n{}", columns(INDENT, &queue_rows(run, queues))),
        None if status.has_reached(Server::Broker) => {
            let seconds = QUEUES_WITHIN.as_secs();
            text += &format!("\n{INDENT}the look at its queues was not finished within {seconds} s\n");
        }
        None => {}
    }
    text += &waiting_text(run);
    text += &failures_text(run, status.at);
    text += &changes_text(run, status.at);
    if let Some(scores) = &run.scores {
        text += &format!("\n{}", scores_text(INDENT, scores));
    }
    if !run.attention.is_empty() {
        text += &format!("\n{INDENT}needs attention\n");
        for said in &run.attention {
            text += &format!("{INDENT}- {}\n", one_line(said));
        }
    }
    text
}

fn state(status: &Status, run: &RunStatus) -> String {
    let order = match run.order.as_ref().map(|order| order.desired) {
        None | Some(DesiredState::Go) => "",
        Some(DesiredState::Pause) => ", paused",
        Some(DesiredState::Cancel) => ", to be cancelled",
    };
    match &run.about {
        Some(about) if about.phase == RunPhase::Begun => format!("begun{order}"),
        Some(about) => phase(about),
        None if status.has_reached(Server::Store) => "not in the list of runs".to_owned(),
        None => "the store would know how far it is".to_owned(),
    }
}

/// The phase of a run.
pub(in crate::commands) fn phase(about: &AboutRun) -> String {
    let name = match about.phase {
        RunPhase::Begun => "begun",
        RunPhase::Finished if about.cells.dead > 0 => {
            return format!("finished with {} dead", HumanCount(about.cells.dead));
        }
        RunPhase::Finished => "finished",
        RunPhase::Cancelled => "cancelled",
        RunPhase::OutOfBudget => "out of budget",
        RunPhase::Failed => "failed",
    };
    name.to_owned()
}

/// The cost of a run, as far as its prices are known.
pub(in crate::commands) fn spent(spent: NanoUsd, priced: bool) -> String {
    match (spent, priced) {
        (spent, true) => spent.to_string(),
        (NanoUsd(0), false) => "price unknown".to_owned(),
        (spent, false) => format!("at least {spent}, a price is unknown"),
    }
}

fn facts(status: &Status, run: &RunStatus) -> Vec<[String; 2]> {
    let mut facts = Vec::new();
    let mut say = |what: &str, text: String| facts.push([what.to_owned(), text]);
    if let Some(about) = &run.about {
        say("models", about.models.join(", "));
    }
    if let Some(order) = &run.order {
        say("order", in_force(order, status.at));
    }
    match (&run.coordinators[..], &run.about) {
        ([], Some(about)) => {
            let of = ago(about.at, status.at);
            say("cells", format!("{} (as of {of})", cells(about.cells)));
            say("spent", spent(about.spent, about.priced));
        }
        ([], None) => {}
        ([coordinator, ..], _) => {
            say("cells", cells(coordinator.cells));
            say("rate", rate(&run.outlook));
            say("spent", money(&run.money));
        }
    }
    if let Some(budget) = run.about.as_ref().and_then(|about| about.budget) {
        say("budget", budget_text(budget));
    }
    if let Some(bottleneck) = &run.bottleneck {
        say("held up", bottleneck.text.clone());
    }
    for coordinator in &run.coordinators {
        say("coordinator", process(coordinator, status.at));
        if let Some(http) = &coordinator.http {
            say("", format!("serves {http}"));
        }
        if let Some((at, trouble)) = &coordinator.last_trouble {
            say("", format!("trouble {}: {trouble}", ago(*at, status.at)));
        }
    }
    if run.coordinators.is_empty() && status.has_reached(Server::Store) {
        say("coordinator", "none is alive".to_owned());
        if let Some((at, why)) = run.about.as_ref().and_then(|about| Some((about.at, about.stopped_by.as_ref()?))) {
            say("", format!("ended {}: {why}", ago(at, status.at)));
        }
    }
    facts
}

fn cells(counts: CellCounts) -> String {
    let CellCounts { planned, finished, under_way, dead, at_most } = counts;
    let share = finished as f64 / planned.max(1) as f64 * 100.0;
    let [finished, planned, under_way, dead] = [finished, planned, under_way, dead].map(HumanCount);
    let rounds =
        at_most.map_or_else(String::new, |cells| format!("; further rounds, of at most {} in all", HumanCount(cells)));
    format!("{finished} of {planned} finished ({share:.1} %), {under_way} under way, {dead} dead{rounds}")
}

fn rate(outlook: &Outlook) -> String {
    let mut text = format!("{:.1} cells/s", outlook.cells_per_second.unwrap_or_default());
    if let Some(rate) = outlook.cells_per_second_last_minute {
        text += &format!(", {rate:.1} in the last minute");
    }
    if let Some(rate) = outlook.cells_per_second_hour_ago {
        text += &format!(", {rate:.1} an hour ago");
    }
    if let Some(left) = outlook.seconds_left {
        let [low, high] = [left.low, left.high].map(|left| HumanDuration(Duration::from_secs_f64(left.min(1e9))));
        let [low, high] = [low.to_string(), high.to_string()];
        text += &if low == high { format!("; {low} left") } else { format!("; {low} to {high} left") };
    }
    text
}

fn money(money: &Money) -> String {
    let mut text = spent(money.spent, money.priced);
    if let Some(per_hour) = money.per_hour {
        text += &format!(", {per_hour} an hour");
    }
    if let Some(Range { low, high }) = money.at_end {
        text += &format!(", {low} to {high} at the end");
    }
    if money.wasted_at_most > NanoUsd(0) {
        text += &format!("; failed calls may add {}", money.wasted_at_most);
    }
    text
}

/// What is used of a budget, and what it is held for.
fn budget_text(BudgetUse { limit, spent, reserved }: BudgetUse) -> String {
    let percent = (spent.dollars() / limit.dollars() * 100.0).min(999.0);
    format!("{limit}: {spent} of it spent at most ({percent:.1} %), {reserved} held for calls")
}

fn waiting_text(run: &RunStatus) -> String {
    let row = |waiting: &Waiting| {
        let count = format!("{} {}", HumanCount(waiting.count), waiting.of.name());
        let left = waiting.left_ms.map(|left| HumanDuration(Duration::from_millis(left)).to_string());
        [waiting.model.clone().unwrap_or_default(), count, waiting.text.clone(), left.unwrap_or_default()]
    };
    table(
        "waits for",
        ["of", "waits", "for", "still"],
        run.waiting.iter().filter(|waiting| !is_shown_elsewhere(waiting.kind)).map(row).collect(),
    )
}

/// Orders and queues have lines of their own.
const fn is_shown_elsewhere(kind: WaitingKind) -> bool {
    matches!(kind, WaitingKind::Order | WaitingKind::Queue | WaitingKind::Coordinator)
}

fn failures_text(run: &RunStatus, now: UnixMillis) -> String {
    let row = |failures: &FailureClass| {
        [
            failures.class.clone(),
            failures.model.clone(),
            HumanCount(failures.count).to_string(),
            ago(failures.first_at, now),
            ago(failures.last_at, now),
            shortened(&failures.example, MAX_TROUBLE_CHARS),
        ]
    };
    table(
        "failed calls",
        ["class", "model", "calls", "first", "last", "example"],
        run.failures.iter().map(row).collect(),
    )
}

fn changes_text(run: &RunStatus, now: UnixMillis) -> String {
    let row = |change: &Change| {
        let why = change.reason.as_deref().map_or_else(|| NOTHING.to_owned(), |why| shortened(why, MAX_TROUBLE_CHARS));
        let result = change.result.as_deref().map(one_line).unwrap_or_default();
        [ago(change.at, now), change.by.clone(), change.kind.to_string(), why, result]
    };
    table(
        "changes",
        ["when", "by", "what", "why", "result"],
        run.changes.iter().take(MAX_SHOWN_CHANGES).map(row).collect(),
    )
}

/// A table under a title; nothing if it has no rows.
fn table<const N: usize>(title: &str, header: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    format!("\n{INDENT}{title}\n{}", columns(INDENT, &rows))
}

fn process(report: &CoordinatorReport, now: UnixMillis) -> String {
    let process = &report.process;
    let (host, pid, release) = (&process.host, process.pid, &process.release);
    let (started, heard) = (ago(process.started_at, now), ago(report.at, now));
    format!("{host}, pid {pid}, release {release}, started {started}, last heard of {heard}")
}

fn queue_rows(run: &RunStatus, queues: &[FoundQueue]) -> Vec<[String; 4]> {
    let header = ["queue", "of", "waiting", "consumers"].map(str::to_owned);
    let row = |queue: &FoundQueue| {
        let of = queue.model().map_or_else(String::new, |model| run.model(model.0.into()));
        let [waiting, consumers] = match queue.depth {
            Some(depth) => [depth.messages, depth.consumers].map(|number| HumanCount(number.into()).to_string()),
            None => ["no such queue".to_owned(), String::new()],
        };
        [queue.kind_name().to_owned(), of, waiting, consumers]
    };
    std::iter::once(header).chain(queues.iter().map(row)).collect()
}

fn workers(status: &Status) -> String {
    if status.workers.is_empty() {
        return "no worker is alive\n".to_owned();
    }
    let header = ["worker", "pid", "release", "runs", "tasks", "calls", "calls/s", "heard of", "trouble"];
    let rows = status.workers.iter().map(|worker| worker_row(worker, status.at));
    let rows: Vec<_> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let alive = u32::try_from(status.workers.len()).unwrap_or(u32::MAX);
    let alive = count(alive, "worker is alive", "workers are alive");
    format!("{alive}\n{}", columns(INDENT, &rows))
}

fn worker_row(worker: &WorkerReport, now: UnixMillis) -> [String; 9] {
    let process = &worker.process;
    let runs: Vec<&str> = worker.runs.iter().map(|run| run.0.as_str()).collect();
    let draining = if worker.draining { " (about to end)" } else { "" };
    let trouble = worker.last_trouble.as_ref();
    let trouble = trouble.map(|(at, text)| format!("{}: {}", ago(*at, now), shortened(text, MAX_TROUBLE_CHARS)));
    [
        format!("{}{draining}", process.host),
        process.pid.to_string(),
        process.release.clone(),
        if runs.is_empty() { NOTHING.to_owned() } else { runs.join(",") },
        worker.tasks.to_string(),
        format!("{} of {}", worker.calls_in_flight, worker.capacity),
        format!("{:.1}", worker.calls_per_second),
        ago(worker.at, now),
        trouble.unwrap_or_else(|| NOTHING.to_owned()),
    ]
}

/// A number with its noun.
pub(super) fn count(number: u32, one: &str, several: &str) -> String {
    format!("{} {}", HumanCount(number.into()), if number == 1 { one } else { several })
}
