//! The port through which operators and processes tell each other about runs; Redis, a folder and memory implement it.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use super::{AboutRun, CoordinatorReport, Found, ORDER_EVERY, Order, Process, WorkerReport};
use crate::id::RunId;
use crate::redis_connection::RedisConnectionError;

/// Why something was not told, or could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The server failed, or will not do it.
    #[error(transparent)]
    Server(#[from] RedisConnectionError),
    /// A file of the run's folder failed.
    #[error("{action} {path}: {reason}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The order for a run cannot be read.
    #[error("another release gave the order for run {0}; use that release, or give it again")]
    OtherRelease(RunId),
}

/// What became of the wish to lead a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// The process that asked leads the run.
    Ours,
    /// Another one does.
    Held {
        /// Which.
        by: Process,
        /// For how much longer, unless it renews its lease.
        left: Duration,
    },
}

/// Whether the other process is another one and started before `ours`. Both sides see the same, so that one of two leaders
/// stays.
pub(super) fn is_older(other: &Process, ours: &Process) -> bool {
    (other.started_at, &other.id) < (ours.started_at, &ours.id)
}

/// What operators want of runs, and what the processes of runs say of themselves.
///
/// Nothing here waits for long: an operator's command says within seconds what it could not reach, and a report that
/// arrives too late is of no use.
pub trait Control: Clone + Send + Sync + 'static {
    /// Says what is to be done with a run. Replaces an earlier order.
    fn give_order(&self, run: &RunId, order: &Order) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The order for a run, if there is one. It does not expire while anybody looks for it.
    fn order(&self, run: &RunId) -> impl Future<Output = Result<Option<Order>, ControlError>> + Send;

    /// Enters a run into the list of runs, or updates its entry.
    fn announce(&self, about: &AboutRun) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The same where `order` was the last that was given: if the run has no order any more, this one is given again
    /// before anybody can hear of the run. Returns whether it was.
    fn announce_under(
        &self,
        order: &Order,
        about: &AboutRun,
    ) -> impl Future<Output = Result<bool, ControlError>> + Send;

    /// What was last said of a run.
    fn about(&self, run: &RunId) -> impl Future<Output = Result<Option<AboutRun>, ControlError>> + Send;

    /// All runs in the list, with the orders for them.
    fn runs(&self) -> impl Future<Output = Result<Found<(AboutRun, Option<Order>)>, ControlError>> + Send;

    /// Takes a run out of the list.
    fn strike_out(&self, run: &RunId) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Says that a worker is alive.
    fn report_worker(&self, report: &WorkerReport) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Says that a coordinator is alive.
    fn report_coordinator(&self, report: &CoordinatorReport) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Says that a worker has ended, so that nobody has to wait until its report expires.
    fn worker_ended(&self, id: &str) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Says that a coordinator has ended.
    fn coordinator_ended(&self, id: &str) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// The workers that are alive.
    fn workers(&self) -> impl Future<Output = Result<Found<WorkerReport>, ControlError>> + Send;

    /// The coordinators that are alive.
    fn coordinators(&self) -> impl Future<Output = Result<Found<CoordinatorReport>, ControlError>> + Send;

    /// Takes the lead of a run, for [`LEASE_EXPIRY`](super::LEASE_EXPIRY), unless another process has it. The process `gone`
    /// is known to have ended, so that its lease bars nobody.
    fn take_lead(
        &self,
        run: &RunId,
        process: &Process,
        gone: Option<&str>,
    ) -> impl Future<Output = Result<Lead, ControlError>> + Send;

    /// Renews the lead of a run, or takes it again where it was lost, or where a process has it that started later. Returns
    /// the process that leads the run if that one started earlier.
    fn renew_lead(
        &self,
        run: &RunId,
        process: &Process,
    ) -> impl Future<Output = Result<Option<Process>, ControlError>> + Send;

    /// Gives the lead of a run up, if the process has it.
    fn release_lead(&self, run: &RunId, process: &Process) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// What is wrong with it now, if anything is; without how long that has lasted, so that all who see it say the same.
    fn problem(&self) -> Option<String> {
        None
    }

    /// Looks for the order for a run every [`ORDER_EVERY`]. The first look has been made when this returns.
    fn follow(&self, run: &RunId) -> impl Future<Output = Following> + Send {
        follow(self.clone(), run.clone())
    }
}

/// An order that is looked for again and again for as long as this lives.
#[derive(Debug)]
pub struct Following {
    /// The last order that was seen; it stays while the server is away.
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
            // While the server is away, what it last said stands.
            if let Ok(order) = control.order(&run).await {
                seen.send_if_modified(|known| replace_if_other(known, order));
            }
        }
    });
    Following { order, _task: AbortOnDropHandle::new(task) }
}

fn replace_if_other(known: &mut Option<Order>, order: Option<Order>) -> bool {
    let is_other = *known != order;
    if is_other {
        *known = order;
    }
    is_other
}
