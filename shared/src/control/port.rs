//! The control port: orders of operators and reports of processes. Implemented by Redis, a folder and memory.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use super::{
    AboutRun, Change, CoordinatorReport, Forecast, History, Listing, ORDER_EVERY, Order, Process, RunScores,
    WorkerReport,
};
use crate::id::RunId;
use crate::redis_connection::RedisConnectionError;

/// Why a control operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The server failed or refused.
    #[error(transparent)]
    Server(#[from] RedisConnectionError),
    /// A file in the run's folder could not be read or written.
    #[error("{action} {path}: {reason}", path = path.display())]
    File {
        /// The operation.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason that the system gives.
        reason: String,
    },
    /// The order for a run cannot be read.
    #[error("read the order for run {0}: another release wrote it; use that release, or give the order again")]
    OtherRelease(RunId),
}

/// The result of an attempt to lead a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// This process leads the run now.
    Ours,
    /// Another process leads it.
    Held {
        /// Which.
        by: Process,
        /// How much longer its lease lasts unless it renews it.
        left: Duration,
    },
}

/// Whether `other` is a different process that started before `ours`. Both processes come to the same answer, so exactly one
/// of two leaders stays.
pub(super) fn is_older(other: &Process, ours: &Process) -> bool {
    (other.started_at, &other.id) < (ours.started_at, &ours.id)
}

/// Orders of operators for runs, and reports of the processes of runs.
///
/// No operation waits for long: an operator's command fails within seconds if it cannot reach something, and a late report is
/// useless.
pub trait Control: Clone + Send + Sync + 'static {
    /// Sets the order for a run. Replaces an earlier order.
    fn give_order(&self, run: &RunId, order: &Order) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The order for a run, if there is one. It does not expire while any process checks for it.
    fn order(&self, run: &RunId) -> impl Future<Output = Result<Option<Order>, ControlError>> + Send;

    /// Adds a run to the list of runs, or updates its entry.
    fn announce(&self, about: &AboutRun) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// As [`announce`](Self::announce), for a run whose last order was `order`: if the order is gone, restores it before the
    /// run becomes visible. Returns whether it was restored.
    fn announce_under(
        &self,
        order: &Order,
        about: &AboutRun,
    ) -> impl Future<Output = Result<bool, ControlError>> + Send;

    /// The run's entry in the list of runs, if there is one.
    fn about(&self, run: &RunId) -> impl Future<Output = Result<Option<AboutRun>, ControlError>> + Send;

    /// All runs in the list, with the orders for them.
    fn runs(&self) -> impl Future<Output = Result<Listing<(AboutRun, Option<Order>)>, ControlError>> + Send;

    /// Sets the scores of a run so far. They outlive the run's coordinator, as its entry in the list of runs does.
    fn report_scores(&self, scores: &RunScores) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The scores of a run as they were last reported, if they were and can be read.
    fn scores(&self, run: &RunId) -> impl Future<Output = Result<Option<RunScores>, ControlError>> + Send;

    /// Removes a run from the list.
    fn strike_out(&self, run: &RunId) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Reports that a worker is alive.
    fn report_worker(&self, report: &WorkerReport) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Reports that a coordinator is alive.
    fn report_coordinator(&self, report: &CoordinatorReport) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Removes the report of a worker that has ended, so that nobody has to wait until it expires.
    fn worker_ended(&self, id: &str) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Removes the report of a coordinator that has ended.
    fn coordinator_ended(&self, id: &str) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The workers that are alive.
    fn workers(&self) -> impl Future<Output = Result<Listing<WorkerReport>, ControlError>> + Send;

    /// The coordinators that are alive.
    fn coordinators(&self) -> impl Future<Output = Result<Listing<CoordinatorReport>, ControlError>> + Send;

    /// Records a change that somebody made to a run. The latest [`MAX_CHANGES`](super::MAX_CHANGES) are kept.
    fn note_change(&self, run: &RunId, change: &Change) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The changes that were made to a run, the latest first, as far as they can be read.
    fn changes(&self, run: &RunId) -> impl Future<Output = Result<Vec<Change>, ControlError>> + Send;

    /// Keeps the history of a run. Replaces what was kept before.
    fn keep_history(&self, run: &RunId, history: &History) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The history of a run, if there is one that can be read.
    fn history(&self, run: &RunId) -> impl Future<Output = Result<Option<History>, ControlError>> + Send;

    /// Takes the lease on a run for [`LEASE_EXPIRY`](super::LEASE_EXPIRY), unless another process holds it. The process `gone`
    /// is known to have ended, so its lease is ignored.
    fn take_lead(
        &self,
        run: &RunId,
        process: &Process,
        gone: Option<&str>,
    ) -> impl Future<Output = Result<Lead, ControlError>> + Send;

    /// Renews the lease on a run. Takes it again if it was lost, or if a process that started later holds it. Returns the
    /// process that leads the run if that process started earlier.
    fn renew_lead(
        &self,
        run: &RunId,
        process: &Process,
    ) -> impl Future<Output = Result<Option<Process>, ControlError>> + Send;

    /// Gives up the lease on a run, if the process holds it.
    fn release_lead(&self, run: &RunId, process: &Process) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// What a pilot expects the run to cost, where a run's folder has it.
    fn forecast(&self, _run: &RunId) -> Option<Forecast> {
        None
    }

    /// Keeps what a pilot expects the run to cost, where there is a run's folder.
    fn keep_forecast(&self, _run: &RunId, _forecast: &Forecast) -> Result<(), ControlError> {
        Ok(())
    }

    /// What is wrong at the moment, if anything is. It does not say for how long, so that all processes report the same text.
    fn problem(&self) -> Option<String> {
        None
    }

    /// Checks for an order for a run every [`ORDER_EVERY`]. The first check is complete when this returns.
    fn follow(&self, run: &RunId) -> impl Future<Output = Following> + Send {
        follow(self.clone(), run.clone())
    }
}

/// Checks for an order regularly until it is dropped.
#[derive(Debug)]
pub struct Following {
    /// The last order that was seen; it stays in force while the server is unreachable.
    pub order: watch::Receiver<Option<Order>>,
    _task: AbortOnDropHandle<()>,
}

async fn follow(control: impl Control, run: RunId) -> Following {
    let (seen, order) = watch::channel(control.order(&run).await.ok().flatten());
    let task = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(ORDER_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // While the server is unreachable, the last order stays in force.
            if let Ok(order) = control.order(&run).await {
                seen.send_if_modified(|known| replace_if_different(known, order));
            }
        }
    });
    Following { order, _task: AbortOnDropHandle::new(task) }
}

fn replace_if_different(known: &mut Option<Order>, order: Option<Order>) -> bool {
    let is_different = *known != order;
    if is_different {
        *known = order;
    }
    is_different
}
