//! Lists what is slow or failing in a run, with what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indicatif::HumanCount;
use valuesim_shared::control::{CoordinatorReport, DesiredState, REPORT_EVERY, RunTrouble, UnixMillis, WorkerReport};
use valuesim_shared::queue::QueueKind;

use super::bottleneck::MANY_OUTCOMES;
use super::found::{RunStatus, Server, Status};
use super::text::count;
use crate::age::ago;
use crate::columns::shortened;
use crate::commands::control::in_force;
use crate::commands::queues::FoundQueue;

/// A worker that has missed this many reports counts as silent.
const MISSED_REPORTS: u64 = 3;

/// A problem that is older needs no attention any more.
const RECENT_MS: u64 = 10 * 60 * 1_000;

/// A run without a finished cell for this long, although some are in progress, may be stuck.
const STUCK_MS: u64 = 10 * 60 * 1_000;

/// Maximum characters shown of a problem.
const MAX_TROUBLE_CHARS: usize = 200;

/// What needs attention in `run`.
pub(super) fn attention(status: &Status, run: &RunStatus) -> Vec<String> {
    let mut items = Vec::new();
    let view = RunView { status, run, workers: status.workers_of(&run.run) };
    view.orders(&mut items);
    view.dead_letters(&mut items);
    if status.has_reached(Server::Store) {
        view.coordinators(&mut items);
        view.stuck(&mut items);
        view.left_alone(&mut items);
        view.workers(&mut items);
        view.releases(&mut items);
        view.silent(&mut items);
    }
    view.outcomes(&mut items);
    view.suspects(&mut items);
    view.later(&mut items);
    view.trouble(&mut items);
    items
}

struct RunView<'a> {
    status: &'a Status,
    run: &'a RunStatus,
    /// The workers of the run.
    workers: Vec<&'a WorkerReport>,
}

impl RunView<'_> {
    fn orders(&self, items: &mut Vec<String>) {
        let (run, now) = (&self.run.run, self.status.at);
        match self.run.order.as_ref() {
            Some(order) if order.desired == DesiredState::Pause => {
                items.push(format!("it is paused ({}): `valuesim resume {run}` resumes it", in_force(order, now)));
            }
            Some(order) if order.desired == DesiredState::Cancel && self.run.is_open() => {
                items.push(format!("it is being cancelled ({})", in_force(order, now)));
            }
            _ => {}
        }
    }

    fn dead_letters(&self, items: &mut Vec<String>) {
        let letters: u32 =
            self.queues().filter(|queue| queue.name.kind == QueueKind::Dead).map(FoundQueue::messages).sum();
        if letters > 0 {
            let run = &self.run.run;
            items.push(format!(
                "{} could not be processed: `valuesim dead list {run}` shows why",
                count(letters, "message", "messages")
            ));
        }
    }

    fn coordinators(&self, items: &mut Vec<String>) {
        match &self.run.coordinators[..] {
            // Who cannot report may be alive.
            [] if !self.status.has_reached(Server::Store) => {}
            [] if self.run.is_open() || self.run.has_failed() => {
                let verb = if self.status.of_fleet { "coordinate" } else { "run" };
                let goes_on = format!("the same `valuesim {verb}` on the same run folder resumes it");
                let stopped = self.run.about.as_ref().and_then(|about| Some((about.at, about.stopped_by.as_ref()?)));
                items.push(match stopped {
                    Some((at, why)) => {
                        let (ended, why) = (ago(at, self.status.at), shortened(why, MAX_TROUBLE_CHARS));
                        format!("its coordinator ended {ended}: {why}; once that is fixed, {goes_on}")
                    }
                    None => format!("no coordinator is alive: {goes_on}"),
                });
            }
            [] | [_] => {}
            several => {
                let names: Vec<&str> = several.iter().map(|report| report.process.id.as_str()).collect();
                items.push(format!(
                    "{} coordinators are alive and each receives a part of the results, so that none finishes: stop all but one \
                     now ({})",
                    names.len(),
                    names.join(", ")
                ));
            }
        }
    }

    fn stuck(&self, items: &mut Vec<String>) {
        let [coordinator] = &self.run.coordinators[..] else { return };
        let silence = self.status.at.0.saturating_sub(self.could_finish_since(coordinator).0);
        let under_way = coordinator.cells.under_way;
        if under_way > 0 && silence >= STUCK_MS && !self.is_stopped_by_order() {
            let (minutes, cells) = (silence / 60_000, HumanCount(under_way));
            items.push(format!(
                "no cell was finished for {minutes} minutes, and {cells} are in progress: check the workers' logs"
            ));
        }
    }

    /// Since when a cell could have finished: since the last one, the start, or the order to resume.
    fn could_finish_since(&self, coordinator: &CoordinatorReport) -> UnixMillis {
        let last = coordinator.last_finished_at.unwrap_or_default().max(coordinator.process.started_at);
        self.run.order.as_ref().map_or(last, |order| last.max(order.at))
    }

    fn left_alone(&self, items: &mut Vec<String>) {
        let mut groups: BTreeMap<String, (UnixMillis, Processes)> = BTreeMap::new();
        for (id, trouble) in self.troubles() {
            let Some(until) = self.rests_until(trouble) else { continue };
            let (last, processes) = groups.entry(shortened(&trouble.text, MAX_TROUBLE_CHARS)).or_default();
            *last = (*last).max(until);
            processes.0.insert(id);
        }
        for (text, (until, processes)) in groups {
            items.push(format!("left alone until {until} by {processes}: {text}"));
        }
    }

    fn rests_until(&self, trouble: &RunTrouble) -> Option<UnixMillis> {
        trouble.left_alone_until.filter(|until| *until > self.status.at)
    }

    /// Whether it is paused or being cancelled.
    fn is_stopped_by_order(&self) -> bool {
        self.run.order.as_ref().is_some_and(|order| order.desired != DesiredState::Go)
    }

    fn workers(&self, items: &mut Vec<String>) {
        let run = &self.run.run;
        let tasks = self.tasks();
        if tasks == 0 || self.run.has_failed() || self.is_stopped_by_order() || !self.status.has_reached(Server::Store)
        {
            return;
        }
        let waiting = count(tasks, "task waits", "tasks wait");
        let refusing = self.status.refusals_of(run).count();
        if self.workers.is_empty() && refusing > 0 {
            let refusing = count(u32::try_from(refusing).unwrap_or(u32::MAX), "worker refuses", "workers refuse");
            items.push(format!(
                "{waiting} and {refusing} the run, for the reasons above: it stops unless others serve it"
            ));
        } else if self.workers.is_empty() {
            items.push(format!("{waiting} and no worker serves the run: start some with `valuesim work --run {run}`"));
        } else if self.workers.iter().all(|worker| worker.draining) {
            items.push(format!("{waiting} and all workers are about to end: start others"));
        } else if self.workers.iter().all(|worker| worker.tasks == 0) {
            items.push(format!("{waiting} and no worker takes them: check the workers' logs"));
        }
    }

    fn releases(&self, items: &mut Vec<String>) {
        let coordinators = self.run.coordinators.iter().map(|report| &report.process);
        let processes = coordinators.chain(self.workers.iter().map(|worker| &worker.process));
        let mut releases: BTreeMap<&str, u32> = BTreeMap::new();
        processes.for_each(|process| *releases.entry(&process.release).or_default() += 1);
        if releases.len() > 1 {
            let each: Vec<String> = releases.iter().map(|(release, count)| format!("{count} of {release}")).collect();
            items.push(format!("its processes run different releases: {}", each.join(", ")));
        }
    }

    fn silent(&self, items: &mut Vec<String>) {
        let too_long = MISSED_REPORTS * u64::try_from(REPORT_EVERY.as_millis()).unwrap_or(u64::MAX);
        let now = self.status.at;
        for worker in self.workers.iter().filter(|worker| now.0.saturating_sub(worker.at.0) >= too_long) {
            let (id, heard) = (&worker.process.id, ago(worker.at, now));
            items.push(format!("worker {id} is silent, last heard of {heard}: it may hang, be frozen or be gone"));
        }
    }

    fn outcomes(&self, items: &mut Vec<String>) {
        let waiting: u32 =
            self.queues().filter(|queue| queue.name.kind == QueueKind::Results).map(FoundQueue::messages).sum();
        let limit = if self.run.coordinators.is_empty() { 1 } else { MANY_OUTCOMES };
        if waiting >= limit {
            let waiting = count(waiting, "finished cell waits", "finished cells wait");
            items.push(format!("{waiting} for the coordinator to record"));
        }
    }

    fn suspects(&self, items: &mut Vec<String>) {
        let suspects = |queue: &&FoundQueue| matches!(queue.name.kind, QueueKind::Quarantine(_));
        let waiting: u32 = self.queues().filter(suspects).map(FoundQueue::messages).sum();
        if waiting > 0 {
            let waiting = count(waiting, "task was", "tasks were");
            items
                .push(format!("{waiting} delivered before and never finished: one of them may have killed its worker"));
        }
    }

    fn later(&self, items: &mut Vec<String>) {
        let later = |queue: &&FoundQueue| matches!(queue.name.kind, QueueKind::NextVersion(..));
        let waiting: u32 = self.queues().filter(later).map(FoundQueue::messages).sum();
        if waiting > 0 {
            let waiting = count(waiting, "task waits", "tasks wait");
            items.push(format!("{waiting} for workers of a newer release"));
        }
    }

    fn trouble(&self, items: &mut Vec<String>) {
        let mut groups: BTreeMap<String, (UnixMillis, Processes)> = BTreeMap::new();
        let coordinators =
            self.run.coordinators.iter().filter_map(|report| told(&report.process.id, report.last_trouble.as_ref()));
        let workers = self.workers.iter().filter_map(|worker| of_all_runs(worker));
        let of_run = self.troubles().filter(|(_, trouble)| self.rests_until(trouble).is_none());
        let of_run = of_run.map(|(id, trouble)| (id, trouble.at, with_model(trouble)));
        for (id, at, text) in coordinators.chain(workers).chain(of_run).filter(|(_, at, _)| self.is_recent(*at)) {
            let (last, processes) = groups.entry(shortened(&text, MAX_TROUBLE_CHARS)).or_default();
            *last = (*last).max(at);
            processes.0.insert(id);
        }
        for (text, (last, processes)) in groups {
            items.push(format!("{processes}, {}: {text}", ago(last, self.status.at)));
        }
    }

    /// The problems that workers report about the run, including those that have left it for a while.
    fn troubles(&self) -> impl Iterator<Item = (&str, &RunTrouble)> {
        let workers = self.status.workers.iter();
        let all =
            workers.flat_map(|worker| worker.troubles.iter().map(|trouble| (worker.process.id.as_str(), trouble)));
        all.filter(|(_, trouble)| trouble.run == self.run.run)
    }

    fn is_recent(&self, at: UnixMillis) -> bool {
        self.status.at.0.saturating_sub(at.0) < RECENT_MS
    }

    /// Tasks that wait for workers.
    fn tasks(&self) -> u32 {
        self.queues().filter(|queue| queue.model().is_some()).map(FoundQueue::messages).sum()
    }

    fn queues(&self) -> impl Iterator<Item = &FoundQueue> {
        self.run.queues()
    }
}

/// Processes that report the same.
#[derive(Default)]
struct Processes<'a>(BTreeSet<&'a str>);

impl fmt::Display for Processes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => self.0.iter().try_for_each(|id| f.write_str(id)),
            several => write!(f, "{several} processes"),
        }
    }
}

/// A process's last problem.
fn told<'a>(id: &'a str, trouble: Option<&(UnixMillis, String)>) -> Option<(&'a str, UnixMillis, String)> {
    trouble.map(|(at, text)| (id, *at, text.clone()))
}

/// A worker's last problem if it concerns no run: one with the servers, or one that an older release reports.
fn of_all_runs(worker: &WorkerReport) -> Option<(&str, UnixMillis, String)> {
    let (at, _) = worker.last_trouble.as_ref()?;
    let is_of_a_run = worker.troubles.iter().any(|trouble| trouble.at == *at);
    if is_of_a_run { None } else { told(&worker.process.id, worker.last_trouble.as_ref()) }
}

fn with_model(RunTrouble { model, text, .. }: &RunTrouble) -> String {
    model.as_ref().map_or_else(|| text.clone(), |model| format!("model {model}: {text}"))
}
