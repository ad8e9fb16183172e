//! Restores what the servers have lost of a run: its manifest, and the cells that were dispatched.

use std::time::Duration;

use tokio::time::sleep;
use valuesim_shared::control::{Control, REPORT_EVERY, RunPhase};
use valuesim_shared::queue::{QueueAdmin, QueueError, QueueKind, QueueName};
use valuesim_shared::store::Store;

use super::{FleetCoordinator, FleetError};

/// How often to check that the store still has the manifest.
const MANIFEST_EVERY: Duration = Duration::from_secs(10);

/// This many checks in a row must find nothing in progress before cells count as lost: reports of workers are up to two
/// seconds old.
const QUIET_CHECKS: u32 = 4;

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Restores the manifest if the store has lost it: workers that start later need it.
    pub(super) async fn keep_manifest<T>(&self) -> T {
        loop {
            sleep(MANIFEST_EVERY).await;
            let run = &self.manifest.run;
            if let Err(error) = self.restore_manifest().await {
                tracing::warn!(%run, %error, "could not check the run's manifest in the store; trying again");
            }
        }
    }

    async fn restore_manifest(&self) -> Result<(), FleetError> {
        let (store, run) = (&self.servers.store, &self.manifest.run);
        if store.manifest(run).await?.is_none_or(|kept| kept != self.manifest.to_bytes()) {
            tracing::warn!(%run, "the store has lost the run's manifest, or has another; restoring it");
            // The order must be back first: a worker that serves this run by name takes it up when it finds the manifest and no order.
            self.heartbeat.announce(RunPhase::Begun).await?;
            store.put_manifest(run, &self.manifest.to_bytes()).await?;
        }
        Ok(())
    }

    /// Notices when dispatched cells are neither on a queue nor with a worker.
    pub(super) async fn look_for_lost<T>(&self) -> T {
        let (mut quiet, mut finished) = (0, 0);
        loop {
            sleep(REPORT_EVERY).await;
            let before = std::mem::replace(&mut finished, self.progress().cells_finished());
            let is_quiet = before == finished && self.is_quiet().await;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == QUIET_CHECKS {
                quiet = 0;
                if self.are_surely_empty().await.unwrap_or(false) {
                    self.restore_finished().await;
                    self.coordinator.nothing_is_under_way();
                }
            }
        }
    }

    /// Says again which cells are finished: of a cell that the store wrongly takes for finished, workers drop every task.
    async fn restore_finished(&self) {
        let (run, coordinator) = (&self.manifest.run, &self.coordinator);
        let finished = coordinator.finished_cells().into_iter();
        let first_of_each = coordinator.cells_of_first_respondent().into_iter();
        if let Err(error) = self.servers.store.put_finished(run, first_of_each, finished).await {
            tracing::warn!(%run, %error, "could not restore in the store which cells are finished");
        }
    }

    /// Whether no message of the run waits and no worker has one. Returns false if that cannot be determined.
    async fn is_quiet(&self) -> bool {
        if self.servers.queue.problem().is_some() {
            return false;
        }
        let Ok(workers) = self.servers.control.workers().await else { return false };
        let run = &self.manifest.run;
        let is_busy = workers.all.iter().any(|worker| worker.runs.contains(run) && worker.tasks > 0);
        !is_busy && workers.unreadable == 0 && self.all_empty().await.unwrap_or(false)
    }

    async fn all_empty(&self) -> Result<bool, QueueError> {
        for queue in self.queues().iter().filter(|queue| self.is_for_workers_of_this_release(queue)) {
            let depth = self.servers.queue.depth(queue).await?;
            if depth.is_some_and(|depth| depth.messages > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same, confirmed by the queues' leaders. Asked only when everything else is quiet.
    async fn are_surely_empty(&self) -> Result<bool, QueueError> {
        for queue in self.queues().iter().filter(|queue| self.is_for_workers_of_this_release(queue)) {
            if !self.servers.queue.is_empty(queue).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// False for tasks of a newer release, whose coordinator was replaced by this one: there may be no worker of that release
    /// any more.
    fn is_for_workers_of_this_release(&self, queue: &QueueName) -> bool {
        !matches!(queue.kind, QueueKind::NextVersion(_, version) if version > self.task_version)
    }
}
