//! What a coordinator looks after beside its work: the manifest, cells that are lost or dead, and its operators' orders.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::CoordinatorError;
use valuesim_coordinator::ledger::{DeadCell, DeadCells};
use valuesim_shared::control::{Order, REPORT_EVERY, UnixMillis, Wish};
use valuesim_shared::dead::Found;
use valuesim_shared::queue::{BrokerState, Lane, QueueError, QueueName};
use valuesim_shared::store::Store as _;

use super::FleetCoordinator;

/// How often the store is asked whether it still has the manifest.
const MANIFEST_EVERY: Duration = Duration::from_secs(10);

/// So many looks in a row find nothing under way before it counts as lost: reports of workers are up to two seconds old.
const QUIET_LOOKS: u32 = 4;

/// The dead letters are looked through when their number has changed, and as often as this in any case.
const DEAD_EVERY: Duration = Duration::from_secs(30);

impl FleetCoordinator {
    /// Does what operators want of the run: says when it is to pause, asks to stop when it is to end.
    pub(super) async fn obey<T>(&self, halt: &CancellationToken) -> T {
        // Kept whole: its other part is what looks for orders.
        let mut following = self.servers.control.follow(&self.manifest.run).await;
        loop {
            let wish = following.order.borrow_and_update().clone();
            match wish {
                Some(Order { wish: Wish::Cancel, by, .. }) => {
                    (self.tell)(&format!("{by} wants this run to end: waiting for its workers to leave"));
                    tokio::select! {
                        () = self.let_workers_finish() => {}
                        Ok(()) = following.order.changed() => continue,
                    }
                    if self.is_still_to_end().await {
                        self.cancelled_by.get_or_init(|| by);
                        halt.cancel();
                    }
                }
                Some(Order { wish: Wish::Pause, by, at, .. }) => {
                    (self.tell)(&format!(
                        "paused by {by} at {at}: `valuesim resume {}` lets it go on",
                        self.manifest.run
                    ));
                }
                Some(Order { wish: Wish::Go, by, .. }) => (self.tell)(&format!("{by} lets this run go on")),
                None => {}
            }
            if following.order.changed().await.is_err() {
                // Nobody looks for orders any more, which happens only where the whole process ends.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Looks once more: somebody may have had the last word since the order was last looked for.
    async fn is_still_to_end(&self) -> bool {
        match self.servers.control.order(&self.manifest.run).await {
            Ok(order) => order.is_none_or(|order| order.wish == Wish::Cancel),
            // What was said last stands.
            Err(_) => true,
        }
    }

    /// Puts the manifest back where the store lost it: workers that start later need it.
    pub(super) async fn keep_manifest<T>(&self) -> T {
        loop {
            sleep(MANIFEST_EVERY).await;
            let run = &self.manifest.run;
            let kept = match self.servers.store.manifest(run).await {
                Ok(None) => {
                    tracing::warn!(%run, "the store has lost the run's manifest; it is put back");
                    self.servers.store.put_manifest(run, &self.manifest.to_bytes()).await
                }
                found => found.map(drop),
            };
            if let Err(error) = kept {
                tracing::warn!(%run, %error, "could not see to the run's manifest");
            }
        }
    }

    /// Notices when cells were dispatched, nothing of them waits anywhere, and nobody has them.
    pub(super) async fn look_for_lost<T>(&self) -> T {
        let (mut quiet, mut finished) = (0, 0);
        loop {
            sleep(REPORT_EVERY).await;
            let before = std::mem::replace(&mut finished, self.progress().cells_finished());
            let is_quiet = before == finished && self.is_quiet().await;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                quiet = 0;
                self.coordinator.nothing_is_under_way();
            }
        }
    }

    /// Whether no message of the run waits and no worker has one. What cannot be seen is not quiet.
    async fn is_quiet(&self) -> bool {
        if self.servers.queue.state() != BrokerState::Connected {
            return false;
        }
        let Ok(workers) = self.servers.control.workers().await else { return false };
        let run = &self.manifest.run;
        let is_busy = workers.all.iter().any(|worker| worker.runs.contains(run) && worker.tasks > 0);
        !is_busy && workers.unreadable == 0 && self.all_empty().await.unwrap_or(false)
    }

    async fn all_empty(&self) -> Result<bool, QueueError> {
        for queue in self.queues() {
            let depth = self.servers.queue.depth(&queue).await?;
            if depth.is_some_and(|depth| depth.messages > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks for dead letters again and again.
    pub(super) async fn look_for_dead<T>(&self) -> T {
        let (mut known, mut last) = (None, Instant::now());
        loop {
            sleep(REPORT_EVERY).await;
            let count = self.count_dead_letters().await;
            let is_due = last.elapsed() >= DEAD_EVERY;
            let Ok(count) = count else { continue };
            if known == Some(count) && !(is_due && count > 0) {
                continue;
            }
            match self.take_in_dead_letters(count).await {
                Ok(()) => (known, last) = (Some(count), Instant::now()),
                Err(error) => tracing::warn!(run = %self.manifest.run, %error, "could not take in the dead letters"),
            }
        }
    }

    /// Looks at the dead letters once, however long that takes.
    pub(super) async fn see_the_dead(&self) {
        loop {
            let seen = async {
                let count = self.count_dead_letters().await?;
                self.take_in_dead_letters(count).await
            };
            match seen.await {
                Ok(()) => return,
                Err(error) => tracing::warn!(run = %self.manifest.run, %error, "could not take in the dead letters"),
            }
            sleep(REPORT_EVERY).await;
        }
    }

    fn dead_letters(&self) -> QueueName {
        QueueName { run: self.manifest.run.clone(), lane: Lane::Dead }
    }

    async fn count_dead_letters(&self) -> Result<u32, QueueError> {
        Ok(self.servers.queue.depth(&self.dead_letters()).await?.map_or(0, |depth| depth.messages))
    }

    async fn take_in_dead_letters(&self, count: u32) -> Result<(), CoordinatorError> {
        let mut dead = DeadCells::new();
        if count > 0 {
            for message in self.servers.queue.browse(&self.dead_letters(), count as usize).await? {
                let found = Found::read(&message.body);
                if let Some(cell) = found.held.cell() {
                    dead.insert(cell, why(&found));
                }
            }
        }
        self.coordinator.set_dead(dead).await
    }
}

fn why(found: &Found) -> DeadCell {
    match &found.letter {
        Some(letter) => DeadCell { reason: letter.reason.clone(), at: letter.at },
        None => DeadCell { reason: "RabbitMQ gave up delivering it".to_owned(), at: UnixMillis::default() },
    }
}
