//! A status: what one inspection of the servers found.

use std::time::Duration;

use serde::Serialize;
use valuesim_shared::control::{
    AboutRun, CallTotals, Change, CoordinatorReport, FailureClass, Order, RunPhase, RunScores, RunTrouble, UnixMillis,
    WorkerReport,
};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::QueueKind;

use super::conclusion::{Bottleneck, Money, Outlook, Waiting};
use crate::commands::queues::FoundQueue;

/// How long the broker may take to report how full all queues are.
pub(super) const QUEUES_WITHIN: Duration = Duration::from_secs(2);

/// The version of a status as JSON. A new field does not change it; a field that goes, or means something else, does.
pub(super) const STATUS_VERSION: u16 = 1;

/// What one inspection found. docs/status.md describes it as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Status {
    /// [`STATUS_VERSION`].
    pub(super) version: u16,
    /// When the inspection was made.
    pub(super) at: UnixMillis,
    /// The servers that could not be reached.
    pub(super) unreached: Vec<Unreached>,
    /// Whether the runs belong to a fleet, rather than to one process each.
    #[serde(skip)]
    pub(super) of_fleet: bool,
    pub(super) runs: Vec<RunStatus>,
    /// The workers that are alive, whatever run they serve.
    pub(super) workers: Vec<WorkerReport>,
    /// How much was said by other releases, and cannot be read.
    pub(super) unreadable: u32,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunStatus {
    pub(super) run: RunId,
    /// Its entry in the list of runs.
    pub(super) about: Option<AboutRun>,
    /// The operator's order for it.
    pub(super) order: Option<Order>,
    /// One, unless something is wrong.
    pub(super) coordinators: Vec<CoordinatorReport>,
    /// `None` if the broker could not be reached, or did not report all queues in time.
    pub(super) queues: Option<Vec<FoundQueue>>,
    /// How fast it is, and what is left.
    pub(super) outlook: Outlook,
    /// What it costs.
    pub(super) money: Money,
    /// What the calls of all workers came to, those that are gone included; `failures` has the failed ones by class.
    pub(super) calls: CallTotals,
    /// The failed calls of all workers, the most frequent class first.
    pub(super) failures: Vec<FailureClass>,
    /// What only seems to run, and what it waits for.
    pub(super) waiting: Vec<Waiting>,
    /// What holds it up most.
    pub(super) bottleneck: Option<Bottleneck>,
    /// What its finished cells score so far, if its coordinator has said so.
    pub(super) scores: Option<RunScores>,
    /// Who changed what, the latest first.
    pub(super) changes: Vec<Change>,
    /// What needs attention, one sentence each.
    pub(super) attention: Vec<String>,
}

/// A server that could not be reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Unreached {
    pub(super) server: Server,
    pub(super) why: String,
}

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Server {
    Store,
    Broker,
}

impl Status {
    /// Whether everything could be inspected and the run is unknown.
    pub(super) fn knows_nothing_of(&self, run: &RunId) -> bool {
        let is_served = self.workers.iter().any(|worker| worker.runs.contains(run));
        self.is_whole() && !is_served && self.runs.iter().all(RunStatus::is_unknown)
    }

    /// Whether everything could be inspected.
    pub(super) fn is_whole(&self) -> bool {
        self.unreached.is_empty() && self.runs.iter().all(|run| run.queues.is_some())
    }

    /// The workers that serve a run.
    pub(super) fn workers_of<'a>(&'a self, run: &RunId) -> Vec<&'a WorkerReport> {
        self.workers.iter().filter(|worker| worker.runs.contains(run)).collect()
    }

    /// The workers that refuse to serve a run before somebody changes something, with what they say.
    pub(super) fn refusals_of<'a>(&'a self, run: &RunId) -> impl Iterator<Item = (&'a WorkerReport, &'a RunTrouble)> {
        let others = self.workers.iter().filter(|worker| !worker.runs.contains(run));
        let refuses = |trouble: &&RunTrouble| trouble.run == *run && trouble.refusal.is_some();
        others.filter_map(move |worker| Some((worker, worker.troubles.iter().find(refuses)?)))
    }

    pub(super) fn has_reached(&self, server: Server) -> bool {
        self.unreached.iter().all(|unreached| unreached.server != server)
    }
}

impl RunStatus {
    /// A run of which nothing is known.
    pub(super) fn unknown(run: &RunId) -> Self {
        Self {
            run: run.clone(),
            about: None,
            order: None,
            coordinators: Vec::new(),
            queues: None,
            outlook: Outlook::default(),
            money: Money::default(),
            calls: CallTotals::default(),
            failures: Vec::new(),
            waiting: Vec::new(),
            bottleneck: None,
            scores: None,
            changes: Vec::new(),
            attention: Vec::new(),
        }
    }

    pub(super) fn is_unknown(&self) -> bool {
        let has_queues = self.queues.iter().flatten().any(|queue| queue.depth.is_some());
        self.about.is_none() && self.order.is_none() && self.coordinators.is_empty() && !has_queues
    }

    /// Whether it has started and not ended, as far as known.
    pub(super) fn is_open(&self) -> bool {
        self.about.as_ref().is_none_or(|about| about.phase == RunPhase::Begun)
    }

    /// Whether it was stopped by what its workers say.
    pub(super) fn has_failed(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.phase == RunPhase::Failed && about.stopped_by.is_some())
    }

    /// Whether its queues were deleted, because it has ended, and left no dead letters.
    pub(super) fn has_no_queues(&self) -> bool {
        let has_ended = |about: &AboutRun| about.phase != RunPhase::Begun && about.cells.dead == 0;
        self.coordinators.is_empty() && self.about.as_ref().is_some_and(has_ended)
    }

    /// The queues that were found.
    pub(super) fn queues(&self) -> impl Iterator<Item = &FoundQueue> {
        self.queues.iter().flatten()
    }

    /// The messages that wait in queues of a kind.
    pub(super) fn messages_in(&self, is_meant: impl Fn(QueueKind) -> bool) -> u32 {
        self.queues().filter(|queue| is_meant(queue.name.kind)).map(FoundQueue::messages).sum()
    }

    /// The name of a model, or its number if the name is unknown.
    pub(super) fn model(&self, model: usize) -> String {
        let name = self.about.as_ref().and_then(|about| about.models.get(model));
        name.cloned().unwrap_or_else(|| format!("model {model}"))
    }
}
