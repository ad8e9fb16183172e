//! The end of a run: waits for its workers to leave, and removes what it left on the servers.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use valuesim_shared::control::{Control, Listing, RunPhase, WorkerReport};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::{QueueAdmin, QueueKind, QueueName};
use valuesim_shared::store::Store;

use super::{FleetCoordinator, FleetError};

/// How long workers without tasks may take to leave a run before its queues are deleted.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// How long workers may take in all: they finish calls for the time of their `--grace`, a minute by default, and then hand the
/// rest back.
const DRAIN_WITHIN: Duration = Duration::from_secs(90);

/// How often to check meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the workers of an ending run are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    /// No worker serves it.
    ByNobody,
    /// Some serve it, but have no tasks, as far as can be seen.
    Idly,
    /// Some are finishing their tasks or handing them back.
    Busily,
}

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Waits, for a limited time, until no worker serves the run and all outcomes have been received.
    pub(super) async fn let_workers_finish(&self) {
        self.wait_for_workers().await;
        let taking_in = async {
            while !self.results_are_in().await {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(LEAVE_WITHIN, taking_in).await.is_err() {
            tracing::warn!(run = %self.manifest.run, "not all outcomes were received in time; a resumed run does their cells again");
        }
    }

    /// Waits, for a limited time, until no worker serves the run; longer if workers have something to finish.
    async fn wait_for_workers(&self) {
        let begun = Instant::now();
        let mut busy_at = begun;
        loop {
            match self.served().await {
                Served::ByNobody => return,
                Served::Idly => {}
                Served::Busily => busy_at = Instant::now(),
            }
            if busy_at.elapsed() >= LEAVE_WITHIN || begun.elapsed() >= DRAIN_WITHIN {
                let run = &self.manifest.run;
                tracing::warn!(%run, "workers still serve the run; `valuesim purge` removes what they publish from now on");
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn served(&self) -> Served {
        match self.servers.control.workers().await {
            Ok(workers) => served(&self.manifest.run, &workers),
            Err(_) => Served::Idly,
        }
    }

    async fn results_are_in(&self) -> bool {
        let results = QueueName { run: self.manifest.run.clone(), kind: QueueKind::Results };
        self.servers.queue.is_empty(&results).await.unwrap_or(false)
    }

    /// Reports how the run has ended, and removes its queues once the workers have left. The workers of a cancelled run have
    /// left before. A failure here costs some space on the servers, but no result.
    pub(super) async fn tidy_up(&self, phase: RunPhase) {
        if let Err(error) = self.try_to_tidy_up(phase).await {
            tracing::warn!(run = %self.manifest.run, %error, "could not remove everything of the run from the servers; `valuesim purge` does");
        }
    }

    async fn try_to_tidy_up(&self, phase: RunPhase) -> Result<(), FleetError> {
        let (queue, store) = (&self.servers.queue, &self.servers.store);
        self.heartbeat.announce(phase).await?;
        // A worker that stays longer finds its queue deleted, and declares it again to hand back its tasks.
        if phase != RunPhase::Cancelled {
            tokio::select! {
                () = self.wait_for_workers() => {}
                never = self.beat(phase) => never,
            }
        }
        // With the last calls of the workers that have left.
        self.heartbeat.announce(phase).await?;
        for name in self.queues() {
            queue.delete(&name).await?;
        }
        let dead = QueueName { run: self.manifest.run.clone(), kind: QueueKind::Dead };
        if self.progress().cells_dead() == 0 && queue.is_empty(&dead).await? {
            queue.delete(&dead).await?;
        }
        store.expire_run(&self.manifest.run).await?;
        match std::fs::remove_file(&self.cursor_file) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(FleetError::Cursor { path: self.cursor_file.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

/// What the workers are doing, according to their reports. An unreadable report may be about this run.
fn served(run: &RunId, workers: &Listing<WorkerReport>) -> Served {
    let mut of_run = workers.all.iter().filter(|worker| worker.runs.contains(run)).peekable();
    if of_run.peek().is_none() && workers.unreadable == 0 {
        return Served::ByNobody;
    }
    if of_run.any(|worker| worker.draining || worker.tasks > 0) { Served::Busily } else { Served::Idly }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{Activity, CONTROL_VERSION, Process, UnixMillis};

    use super::*;

    fn worker(run: &str, draining: bool, tasks: u32) -> WorkerReport {
        let (id, host, release) = ("w1".to_owned(), "h".to_owned(), "0.1.0".to_owned());
        WorkerReport {
            version: CONTROL_VERSION,
            process: Process { id, host, pid: 7, release, started_at: UnixMillis(0) },
            runs: vec![RunId(run.to_owned())],
            draining,
            tasks,
            calls_in_flight: 0,
            capacity: 1,
            calls_per_second: 0.0,
            http: None,
            last_trouble: None,
            troubles: Vec::new(),
            activity: Activity::default(),
            at: UnixMillis(0),
        }
    }

    #[test]
    fn workers_that_have_something_to_finish_are_told_from_those_that_only_stay() {
        let run = RunId("r1".to_owned());
        let check = |all: Vec<WorkerReport>, unreadable, expected| {
            assert_eq!(served(&run, &Listing { all, unreadable }), expected);
        };
        check(Vec::new(), 0, Served::ByNobody);
        check(vec![worker("r2", true, 9)], 0, Served::ByNobody);
        check(vec![worker("r2", true, 9)], 1, Served::Idly);
        check(vec![worker("r1", false, 0)], 0, Served::Idly);
        check(vec![worker("r1", false, 0), worker("r1", true, 0)], 0, Served::Busily);
        check(vec![worker("r1", false, 1)], 0, Served::Busily);
    }
}
