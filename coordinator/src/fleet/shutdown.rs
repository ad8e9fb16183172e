//! The end of a run: sees its workers off and removes what it left on the servers.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use valuesim_shared::control::{Control, Found, RunPhase, WorkerReport};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::{QueueAdmin, QueueKind, QueueName};
use valuesim_shared::store::Store;

use super::{FleetCoordinator, FleetError};

/// How long workers that have nothing more to do may take to leave a run before its queues go.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// How long workers may take in all: those that finish calls do so for as long as their `--grace` says, a minute unless it
/// was changed, and hand the rest back then.
const DRAIN_WITHIN: Duration = Duration::from_secs(90);

/// How often they are looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the workers say of a run that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    /// None has it.
    ByNobody,
    /// Some name it and have nothing to do, as far as can be seen.
    Idly,
    /// Some finish what they have, and hand back the rest.
    Busily,
}

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
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

    /// Waits until no worker has the run any more, for a while: longer where workers have something to finish.
    async fn see_workers_off(&self) {
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
                tracing::warn!(%run, "workers are still at the run; `valuesim purge` removes what they hand in now");
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

    /// Says how the run has ended, and removes its queues when the workers are gone. Those of a run that was cancelled were
    /// seen off before. What fails here costs a little room,
    /// no result.
    pub(super) async fn tidy_up(&self, phase: RunPhase) {
        if let Err(error) = self.try_to_tidy_up(phase).await {
            tracing::warn!(run = %self.manifest.run, %error, "not all of the run was tidied up");
        }
    }

    async fn try_to_tidy_up(&self, phase: RunPhase) -> Result<(), FleetError> {
        let (queue, store) = (&self.servers.queue, &self.servers.store);
        self.heartbeat.announce(phase).await?;
        // A worker that stays longer finds its queue gone, and declares it again for what it hands back.
        if phase != RunPhase::Cancelled {
            self.see_workers_off().await;
        }
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

/// What the reports that can be read say, and those that cannot may say.
fn served(run: &RunId, workers: &Found<WorkerReport>) -> Served {
    let mut of_run = workers.all.iter().filter(|worker| worker.runs.contains(run)).peekable();
    if of_run.peek().is_none() && workers.unreadable == 0 {
        return Served::ByNobody;
    }
    if of_run.any(|worker| worker.draining || worker.tasks > 0) { Served::Busily } else { Served::Idly }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{CONTROL_VERSION, Process, UnixMillis};

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
            at: UnixMillis(0),
        }
    }

    #[test]
    fn workers_that_have_something_to_finish_are_told_from_those_that_only_stay() {
        let run = RunId("r1".to_owned());
        let check = |all: Vec<WorkerReport>, unreadable, expected| {
            assert_eq!(served(&run, &Found { all, unreadable }), expected);
        };
        check(Vec::new(), 0, Served::ByNobody);
        check(vec![worker("r2", true, 9)], 0, Served::ByNobody);
        check(vec![worker("r2", true, 9)], 1, Served::Idly);
        check(vec![worker("r1", false, 0)], 0, Served::Idly);
        check(vec![worker("r1", false, 0), worker("r1", true, 0)], 0, Served::Busily);
        check(vec![worker("r1", false, 1)], 0, Served::Busily);
    }
}
