//! The end of a run: sees its workers off and removes what it left on the servers.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use valuesim_shared::control::RunPhase;
use valuesim_shared::queue::{Lane, QueueName};

use super::FleetCoordinator;
use crate::servers::Servers;

/// How long workers may take to leave a finished run before its queues go.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// How often they are looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl FleetCoordinator {
    /// Waits until no worker has the run any more and all outcomes have been taken in, for a while.
    pub(super) async fn let_workers_finish(&self) {
        self.see_workers_off().await;
        let taking_in = async {
            while !self.results_are_in().await {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(LEAVE_WITHIN, taking_in).await.is_err() {
            tracing::warn!(run = %self.manifest.run, "not all outcomes were taken in; their cells are done again");
        }
    }

    /// Waits until no worker has the run any more, for a while.
    async fn see_workers_off(&self) {
        let leaving = async {
            while self.is_served().await {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(LEAVE_WITHIN, leaving).await.is_err() {
            tracing::warn!(run = %self.manifest.run, "workers are still at the run; what they hand in now is lost");
        }
    }

    async fn is_served(&self) -> bool {
        let workers = self.servers.control.workers().await;
        workers.is_ok_and(|workers| workers.all.iter().any(|worker| worker.runs.contains(&self.manifest.run)))
    }

    async fn results_are_in(&self) -> bool {
        let results = QueueName { run: self.manifest.run.clone(), lane: Lane::Results };
        self.servers.queue.is_empty(&results).await.unwrap_or(false)
    }

    /// Says how the run has ended, and removes its queues when the workers are gone. What fails here costs a little room,
    /// no result.
    pub(super) async fn tidy_up(&self, phase: RunPhase) {
        if let Err(error) = self.try_to_tidy_up(phase).await {
            let error = format!("{error:#}");
            tracing::warn!(run = %self.manifest.run, error, "not all of the run was tidied up");
        }
    }

    async fn try_to_tidy_up(&self, phase: RunPhase) -> anyhow::Result<()> {
        let Servers { queue, store, .. } = &self.servers;
        self.announce(phase).await?;
        // A worker that stays longer finds its queue gone and declares it again, empty.
        self.see_workers_off().await;
        for name in self.queues() {
            queue.delete(&name).await?;
        }
        let dead = QueueName { run: self.manifest.run.clone(), lane: Lane::Dead };
        if self.progress().cells_dead() == 0 && queue.is_empty(&dead).await? {
            queue.delete(&dead).await?;
        }
        store.expire_run(&self.manifest.run).await?;
        std::fs::remove_file(&self.cursor_file).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error.into()),
        })
    }
}
