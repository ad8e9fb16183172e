//! What the calls of all workers of a run came to, those of workers that are gone included.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{FailureClass, RunActivity, WorkerReport};
use crate::id::RunId;
use crate::money::NanoUsd;

/// The most workers that are remembered one by one; what older ones did is added up.
const MAX_WORKERS: usize = 1_000;

/// What the calls for a run came to since it began.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallTotals {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// The cost of the tokens that providers reported.
    pub cost: NanoUsd,
    /// What failed requests may have cost in addition, at most.
    pub wasted_at_most: NanoUsd,
    /// Failed requests by model and class, the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureClass>,
}

/// What each worker of a run reported last. It outlives the workers, whose reports vanish.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallsByWorker {
    /// What workers did that are no longer remembered one by one.
    before: CallTotals,
    /// By the name of the worker's process.
    workers: BTreeMap<String, RunActivity>,
}

impl CallTotals {
    /// Whether no call was made.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What the workers with these reports came to.
    pub fn of_reports<'a>(run: &RunId, reports: impl IntoIterator<Item = &'a WorkerReport>) -> Self {
        let mut total = Self::default();
        for activity in reports.into_iter().filter_map(|report| of_run(run, report)) {
            total.add(activity);
        }
        total
    }

    /// Adds what another worker did.
    pub fn add(&mut self, other: &RunActivity) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.failed += other.failed;
        self.cost += other.cost;
        self.wasted_at_most += other.wasted_at_most;
        self.merge_failures(&other.failures, FailureClass::add);
    }

    /// The greater of two sums of the same calls, number by number: each was made at another moment, and none counts a call
    /// twice.
    #[must_use]
    pub fn or_later(mut self, other: &Self) -> Self {
        self.sent = self.sent.max(other.sent);
        self.answered = self.answered.max(other.answered);
        self.failed = self.failed.max(other.failed);
        self.cost = self.cost.max(other.cost);
        self.wasted_at_most = self.wasted_at_most.max(other.wasted_at_most);
        self.merge_failures(&other.failures, |known, found| {
            if found.count > known.count {
                *known = found.clone();
            }
        });
        self
    }

    /// The same as a worker reports it of one run.
    pub fn of_run(self, run: RunId, to_be_retried: u32) -> RunActivity {
        let Self { sent, answered, failed, cost, wasted_at_most, failures } = self;
        RunActivity { run, sent, answered, failed, to_be_retried, cost, wasted_at_most, failures }
    }

    fn merge_failures(&mut self, others: &[FailureClass], merge: impl Fn(&mut FailureClass, &FailureClass)) {
        for other in others {
            let is_same = |known: &&mut FailureClass| (&known.model, &known.class) == (&other.model, &other.class);
            match self.failures.iter_mut().find(is_same) {
                Some(known) => merge(known, other),
                None => self.failures.push(other.clone()),
            }
        }
        self.failures.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| (&one.class, &one.model).cmp(&(&other.class, &other.model)))
        });
    }
}

impl CallsByWorker {
    /// Takes in what the workers that are alive report of the run.
    pub fn see(&mut self, run: &RunId, reports: &[WorkerReport]) {
        for report in reports {
            let Some(activity) = of_run(run, report) else { continue };
            let known = self.workers.insert(report.process.id.clone(), activity.clone());
            // A worker that left the run and has joined it again begins to count anew.
            if let Some(known) = known.filter(|known| known.sent > activity.sent) {
                self.before.add(&known);
            }
        }
        let alive: BTreeSet<&str> = reports.iter().map(|report| report.process.id.as_str()).collect();
        while self.workers.len() > MAX_WORKERS {
            let gone = self.workers.keys().find(|id| !alive.contains(id.as_str())).cloned();
            let Some(gone) = gone.and_then(|id| self.workers.remove(&id)) else { return };
            self.before.add(&gone);
        }
    }

    /// The sum over all workers so far.
    pub fn total(&self) -> CallTotals {
        let mut total = self.before.clone();
        self.workers.values().for_each(|activity| total.add(activity));
        total
    }

    /// Whether no worker was seen.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a worker reports of a run.
fn of_run<'a>(run: &RunId, report: &'a WorkerReport) -> Option<&'a RunActivity> {
    report.activity.runs.iter().find(|activity| activity.run == *run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Activity, CONTROL_VERSION, Process, UnixMillis};

    fn run() -> RunId {
        RunId("r".to_owned())
    }

    fn report(id: &str, sent: u64) -> WorkerReport {
        let failures = vec![FailureClass {
            model: "m".to_owned(),
            class: "timeout".to_owned(),
            count: sent / 10,
            first_at: UnixMillis(1),
            last_at: UnixMillis(sent),
            example: id.to_owned(),
        }];
        let (answered, failed, cost) = (sent - sent / 10, sent / 10, NanoUsd(sent));
        let wasted_at_most = NanoUsd(failed);
        let activity =
            RunActivity { run: run(), sent, answered, failed, to_be_retried: 0, cost, wasted_at_most, failures };
        let (host, release) = ("h".to_owned(), "0.1.0".to_owned());
        WorkerReport {
            version: CONTROL_VERSION,
            process: Process { id: id.to_owned(), host, pid: 7, release, started_at: UnixMillis(1) },
            runs: vec![run()],
            draining: false,
            tasks: 0,
            calls_in_flight: 0,
            capacity: 1,
            calls_per_second: 0.0,
            http: None,
            last_trouble: None,
            troubles: Vec::new(),
            activity: Activity { runs: vec![activity], waits: Vec::new() },
            at: UnixMillis(sent),
        }
    }

    #[test]
    fn what_a_worker_did_stays_when_it_is_gone_and_counts_once_when_it_was_only_late() {
        let mut calls = CallsByWorker::default();
        calls.see(&run(), &[report("one", 100), report("two", 50)]);
        calls.see(&run(), &[report("two", 60)]);
        let total = calls.total();
        assert_eq!((total.sent, total.failed, total.wasted_at_most), (160, 16, NanoUsd(16)));
        assert_eq!((total.failures.len(), total.failures[0].count), (1, 16));
        calls.see(&run(), &[report("one", 110), report("two", 60)]);
        assert_eq!(calls.total().sent, 170, "it was only late");
        calls.see(&run(), &[report("one", 5)]);
        assert_eq!(calls.total().sent, 175, "it joined the run again");
        calls.see(&RunId("other".to_owned()), &[report("three", 9)]);
        assert_eq!(calls.total().sent, 175, "another run's calls");
    }

    #[test]
    fn many_workers_that_are_gone_are_added_up() {
        let mut calls = CallsByWorker::default();
        for number in 0..MAX_WORKERS + 10 {
            calls.see(&run(), &[report(&format!("{number:05}"), 10)]);
        }
        assert_eq!(calls.workers.len(), MAX_WORKERS);
        assert_eq!(calls.total().sent, 10 * (MAX_WORKERS as u64 + 10));
        let written = serde_json::to_string(&calls).expect("writes");
        assert_eq!(serde_json::from_str::<CallsByWorker>(&written).expect("reads"), calls);
    }

    #[test]
    fn the_later_of_two_sums_is_taken_number_by_number() {
        let mut of_workers = CallsByWorker::default();
        of_workers.see(&run(), &[report("gone", 100), report("one", 50)]);
        let alive = CallTotals::of_reports(&run(), &[report("one", 200)]);
        let later = of_workers.total().or_later(&alive);
        assert_eq!((later.sent, later.failed, later.failures[0].count), (200, 20, 20));
        assert_eq!(of_workers.total().or_later(&CallTotals::default()), of_workers.total());
    }
}
