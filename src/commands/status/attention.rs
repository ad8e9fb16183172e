//! What is slow or failing in a run, in sentences that say what to do.

use std::collections::{BTreeMap, BTreeSet};

use valuesim_shared::control::{REPORT_EVERY, RunPhase, UnixMillis, Wish, WorkerReport};
use valuesim_shared::queue::Lane;

use super::text::count;
use super::{RunStatus, Server, Status};
use crate::age::ago;
use crate::columns::shortened;
use crate::commands::order::in_force;
use crate::commands::queues::FoundQueue;

/// More outcomes than a coordinator that keeps up leaves waiting: it takes a thousand at a time.
const MANY_OUTCOMES: u32 = 5_000;

/// A worker that missed so many of its reports is silent.
const MISSED_REPORTS: u64 = 3;

/// Trouble that is older needs no attention any more.
const RECENT_MS: u64 = 10 * 60 * 1_000;

/// Characters of a trouble that are shown.
const MOST_OF_A_TROUBLE: usize = 200;

/// What somebody should look after in `run`.
pub(super) fn attention(status: &Status, run: &RunStatus) -> Vec<String> {
    let mut said = Vec::new();
    let look = Looked { status, run, workers: workers_of(status, run) };
    look.orders(&mut said);
    look.dead_letters(&mut said);
    if status.has_reached(Server::Store) {
        look.coordinators(&mut said);
        look.workers(&mut said);
        look.releases(&mut said);
        look.silent(&mut said);
    }
    look.outcomes(&mut said);
    look.suspects(&mut said);
    look.later(&mut said);
    look.trouble(&mut said);
    said
}

fn workers_of<'a>(status: &'a Status, run: &RunStatus) -> Vec<&'a WorkerReport> {
    status.workers.iter().filter(|worker| worker.runs.contains(&run.run)).collect()
}

struct Looked<'a> {
    status: &'a Status,
    run: &'a RunStatus,
    /// The workers of the run.
    workers: Vec<&'a WorkerReport>,
}

impl Looked<'_> {
    fn orders(&self, said: &mut Vec<String>) {
        let (run, now) = (&self.run.run, self.status.at);
        match self.run.order.as_ref() {
            Some(order) if order.wish == Wish::Pause => {
                said.push(format!("it is paused ({}): `valuesim resume {run}` lets it go on", in_force(order, now)));
            }
            Some(order) if order.wish == Wish::Cancel && self.is_open() => {
                said.push(format!("it is to end ({})", in_force(order, now)));
            }
            _ => {}
        }
    }

    fn dead_letters(&self, said: &mut Vec<String>) {
        let letters: u32 = self.queues().filter(|queue| queue.name.lane == Lane::Dead).map(FoundQueue::messages).sum();
        if letters > 0 {
            let run = &self.run.run;
            said.push(format!(
                "{} cannot be dealt with: `valuesim dead list {run}` shows why",
                count(letters, "message", "messages")
            ));
        }
    }

    fn coordinators(&self, said: &mut Vec<String>) {
        match &self.run.coordinators[..] {
            [] if self.is_open() => {
                let goes_on = "the same `valuesim coordinate` on the same run folder goes on where it was";
                said.push(format!("no coordinator is alive: {goes_on}"));
            }
            [] | [_] => {}
            several => {
                let names: Vec<&str> = several.iter().map(|report| report.process.id.as_str()).collect();
                said.push(format!(
                    "{} coordinators are alive and each gets a part of the results, so that neither ends: stop all but one \
                     now ({})",
                    names.len(),
                    names.join(", ")
                ));
            }
        }
    }

    fn workers(&self, said: &mut Vec<String>) {
        let run = &self.run.run;
        let tasks = self.tasks();
        let is_held = self.run.order.as_ref().is_some_and(|order| order.wish != Wish::Go);
        if tasks == 0 || is_held {
            return;
        }
        let waiting = count(tasks, "task waits", "tasks wait");
        if self.workers.is_empty() {
            said.push(format!("{waiting} and no worker serves the run: start some with `valuesim work --run {run}`"));
        } else if self.workers.iter().all(|worker| worker.draining) {
            said.push(format!("{waiting} and all workers are about to end: start others"));
        } else if self.workers.iter().all(|worker| worker.tasks == 0) {
            said.push(format!("{waiting} and no worker takes them: see the workers' logs"));
        }
    }

    fn releases(&self, said: &mut Vec<String>) {
        let coordinators = self.run.coordinators.iter().map(|report| &report.process);
        let processes = coordinators.chain(self.workers.iter().map(|worker| &worker.process));
        let mut releases: BTreeMap<&str, u32> = BTreeMap::new();
        processes.for_each(|process| *releases.entry(&process.release).or_default() += 1);
        if releases.len() > 1 {
            let each: Vec<String> = releases.iter().map(|(release, count)| format!("{count} of {release}")).collect();
            said.push(format!("its processes are of different releases: {}", each.join(", ")));
        }
    }

    fn silent(&self, said: &mut Vec<String>) {
        let too_long = MISSED_REPORTS * u64::try_from(REPORT_EVERY.as_millis()).unwrap_or(u64::MAX);
        let now = self.status.at;
        for worker in self.workers.iter().filter(|worker| now.0.saturating_sub(worker.at.0) >= too_long) {
            let (id, heard) = (&worker.process.id, ago(worker.at, now));
            said.push(format!("worker {id} is silent, last heard of {heard}: it may hang, be frozen or be gone"));
        }
    }

    fn outcomes(&self, said: &mut Vec<String>) {
        let waiting: u32 =
            self.queues().filter(|queue| queue.name.lane == Lane::Results).map(FoundQueue::messages).sum();
        let limit = if self.run.coordinators.is_empty() { 1 } else { MANY_OUTCOMES };
        if waiting >= limit {
            let waiting = count(waiting, "finished cell waits", "finished cells wait");
            said.push(format!("{waiting} for the coordinator to write down"));
        }
    }

    fn suspects(&self, said: &mut Vec<String>) {
        let suspects = |queue: &&FoundQueue| matches!(queue.name.lane, Lane::Suspects(_));
        let waiting: u32 = self.queues().filter(suspects).map(FoundQueue::messages).sum();
        if waiting > 0 {
            let waiting = count(waiting, "task was", "tasks were");
            said.push(format!("{waiting} taken before and never finished: whoever had them may have died of one"));
        }
    }

    fn later(&self, said: &mut Vec<String>) {
        let later = |queue: &&FoundQueue| matches!(queue.name.lane, Lane::Later(..));
        let waiting: u32 = self.queues().filter(later).map(FoundQueue::messages).sum();
        if waiting > 0 {
            let waiting = count(waiting, "task waits", "tasks wait");
            said.push(format!("{waiting} for workers of a newer release"));
        }
    }

    fn trouble(&self, said: &mut Vec<String>) {
        let mut groups: BTreeMap<String, (UnixMillis, BTreeSet<&str>)> = BTreeMap::new();
        let coordinators = self.run.coordinators.iter().map(|report| (&report.process.id, &report.last_trouble));
        let workers = self.workers.iter().map(|report| (&report.process.id, &report.last_trouble));
        for (id, trouble) in coordinators.chain(workers) {
            let Some((at, text)) = trouble.as_ref().filter(|(at, _)| self.is_recent(*at)) else { continue };
            let (last, processes) = groups.entry(shortened(text, MOST_OF_A_TROUBLE)).or_default();
            *last = (*last).max(*at);
            processes.insert(id);
        }
        for (text, (last, processes)) in groups {
            let who = match processes.len() {
                1 => processes.iter().copied().collect(),
                several => format!("{several} processes"),
            };
            said.push(format!("{who}, {}: {text}", ago(last, self.status.at)));
        }
    }

    fn is_recent(&self, at: UnixMillis) -> bool {
        self.status.at.0.saturating_sub(at.0) < RECENT_MS
    }

    /// Whether it has begun and not ended, as far as anybody knows.
    fn is_open(&self) -> bool {
        self.run.about.as_ref().is_none_or(|about| about.phase == RunPhase::Begun)
    }

    /// Tasks that wait for workers.
    fn tasks(&self) -> u32 {
        self.queues().filter(|queue| queue.model().is_some()).map(FoundQueue::messages).sum()
    }

    fn queues(&self) -> impl Iterator<Item = &FoundQueue> {
        self.run.queues.iter().flatten()
    }
}
