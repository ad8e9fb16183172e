//! What a coordinator looks after beside its work: the manifest, cells that are lost or dead, and its operators' orders.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::CoordinatorError;
use valuesim_coordinator::ledger::{DeadCell, DeadCells};
use valuesim_shared::control::{Order, REPORT_EVERY, RunPhase, UnixMillis, Wish};
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
            let order = following.order.borrow_and_update().clone();
            self.remember(order.as_ref());
            match order {
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
                // There was none yet, or the store has lost it: then it is given again.
                None => {}
            }
            if following.order.changed().await.is_err() {
                // Nobody looks for orders any more, which happens only where the whole process ends.
                std::future::pending::<()>().await;
            }
        }
    }

    /// No order is taken back without another: one that is gone was lost, and still holds.
    fn remember(&self, order: Option<&Order>) {
        if let Some(order) = order {
            *self.last_order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order.clone());
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
            if let Err(error) = self.see_to_manifest().await {
                let error = format!("{error:#}");
                tracing::warn!(%run, error, "could not see to the run's manifest");
            }
        }
    }

    async fn see_to_manifest(&self) -> anyhow::Result<()> {
        let (store, run) = (&self.servers.store, &self.manifest.run);
        if store.manifest(run).await?.is_none() {
            tracing::warn!(%run, "the store has lost the run's manifest; it is put back");
            // A worker that was told the run's name takes it up where it finds the manifest and no order.
            self.announce(RunPhase::Begun).await?;
            store.put_manifest(run, &self.manifest.to_bytes()).await?;
        }
        Ok(())
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
                if self.are_surely_empty().await.unwrap_or(false) {
                    self.coordinator.nothing_is_under_way();
                }
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
        for queue in self.queues().iter().filter(|queue| self.is_for_workers_of_this_release(queue)) {
            let depth = self.servers.queue.depth(queue).await?;
            if depth.is_some_and(|depth| depth.messages > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same by the word of the queues' leaders, who are asked only when all else says so.
    async fn are_surely_empty(&self) -> Result<bool, QueueError> {
        for queue in self.queues().iter().filter(|queue| self.is_for_workers_of_this_release(queue)) {
            if !self.servers.queue.is_empty(queue).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Not so where a coordinator of the next release has sent tasks, and was then replaced by this one: there may be no
    /// worker of its release any more.
    fn is_for_workers_of_this_release(&self, queue: &QueueName) -> bool {
        !matches!(queue.lane, Lane::Later(_, version) if version > self.task_version)
    }

    /// Looks for dead letters again and again.
    pub(super) async fn look_for_dead<T>(&self) -> T {
        let (mut known, mut seen, mut last) = (None, None, Instant::now());
        loop {
            sleep(REPORT_EVERY).await;
            let dead = u32::try_from(self.progress().cells_dead()).unwrap_or(u32::MAX);
            let count = self.count_dead_letters(dead).await;
            let is_due = last.elapsed() >= DEAD_EVERY;
            let Ok(count) = count else { continue };
            let before = seen.replace(count);
            if known == Some(count) && !(is_due && count > 0) {
                continue;
            }
            // Letters that somebody looks at are away for a moment, and their cells are no less dead.
            let are_fewer = known.is_some_and(|known| count < known);
            if are_fewer && before != Some(count) {
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
            match self.see_the_dead_once().await {
                Ok(()) => return,
                Err(error) => tracing::warn!(run = %self.manifest.run, %error, "could not take in the dead letters"),
            }
            sleep(REPORT_EVERY).await;
        }
    }

    async fn see_the_dead_once(&self) -> Result<(), CoordinatorError> {
        let before = self.coordinator.dead_in_ledger().await?;
        let mut count = self.count_dead_letters(before).await?;
        if count < before {
            // Somebody may be looking at the others.
            sleep(REPORT_EVERY / 2).await;
            count = self.count_dead_letters(before).await?;
        }
        self.take_in_dead_letters(count).await
    }

    fn dead_letters(&self) -> QueueName {
        QueueName { run: self.manifest.run.clone(), lane: Lane::Dead }
    }

    /// How many dead letters wait. Where there were some `before`, only the queue's leader can say that there is none.
    async fn count_dead_letters(&self, before: u32) -> Result<u32, QueueError> {
        let (queue, dead) = (&self.servers.queue, self.dead_letters());
        let count = queue.depth(&dead).await?.map_or(0, |depth| depth.messages);
        let is_doubtful = count == 0 && before > 0;
        Ok(if is_doubtful && !queue.is_empty(&dead).await? { before } else { count })
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
