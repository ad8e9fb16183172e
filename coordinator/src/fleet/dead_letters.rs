//! Records the dead letters of a run in its ledger as dead cells, so that the run can end without them.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use valuesim_shared::control::{Control, REPORT_EVERY, UnixMillis};
use valuesim_shared::dead_letter::{DeadContent, DeadMessage};
use valuesim_shared::id::Cell;
use valuesim_shared::queue::{QueueAdmin, QueueError, QueueKind, QueueName};
use valuesim_shared::store::Store;

use super::FleetCoordinator;
use crate::coordinator::{CoordinatorError, EXEMPT};
use crate::ledger::{DeadCell, DeadCells};

/// How often the dead letters are read even if their number has not changed.
const DEAD_EVERY: Duration = Duration::from_secs(30);

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Checks for dead letters regularly.
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
            // Dead letters that somebody inspects are missing from the count for a moment; their cells are still dead.
            let are_fewer = known.is_some_and(|known| count < known);
            if are_fewer && before != Some(count) {
                continue;
            }
            match self.take_in_dead_letters(count).await {
                Ok(()) => (known, last) = (Some(count), Instant::now()),
                Err(error) => {
                    tracing::warn!(run = %self.manifest.run, %error, "could not read the dead letters; trying again");
                }
            }
        }
    }

    /// Reads the dead letters once, however long that takes.
    pub(super) async fn see_the_dead(&self) {
        loop {
            match self.see_the_dead_once().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(run = %self.manifest.run, %error, "could not read the dead letters; trying again");
                }
            }
            sleep(REPORT_EVERY).await;
        }
    }

    async fn see_the_dead_once(&self) -> Result<(), CoordinatorError> {
        let before = self.coordinator.dead_in_ledger().await?;
        let mut count = self.count_dead_letters(before).await?;
        if count < before {
            // Somebody may be inspecting the others.
            sleep(REPORT_EVERY / 2).await;
            count = self.count_dead_letters(before).await?;
        }
        self.take_in_dead_letters(count).await
    }

    fn dead_letters(&self) -> QueueName {
        QueueName { run: self.manifest.run.clone(), kind: QueueKind::Dead }
    }

    /// The number of dead letters. If there were some `before`, a count of 0 is confirmed by the queue's leader.
    async fn count_dead_letters(&self, before: u32) -> Result<u32, QueueError> {
        let (queue, dead) = (&self.servers.queue, self.dead_letters());
        let count = queue.depth(&dead).await?.map_or(0, |depth| depth.messages);
        let is_doubtful = count == 0 && before > 0;
        Ok(if is_doubtful && !queue.is_empty(&dead).await? { before } else { count })
    }

    async fn take_in_dead_letters(&self, count: u32) -> Result<(), CoordinatorError> {
        let mut dead = DeadCells::new();
        if count > 0 {
            let letters = self.servers.queue.browse(&self.dead_letters(), count as usize).await?;
            if letters.iter().any(|letter| letter.has_expired) {
                self.revive_expired(count).await?;
            }
            for message in letters.into_iter().filter(|letter| !letter.has_expired) {
                let found = DeadMessage::read(&message.body);
                // A refused outcome may be forged, and the genuine one may be on its way.
                let is_refused = found.letter.is_some() && matches!(found.content, DeadContent::Outcome(_));
                let counts = |cell: &Cell| !is_refused || self.coordinator.is_given_up(*cell);
                if let Some(cell) = found.content.cell().filter(counts) {
                    dead.insert(cell, why(&found));
                }
            }
        }
        self.coordinator.set_dead(dead).await
    }

    /// Sends messages again that the broker let expire, and tells the first time.
    async fn revive_expired(&self, count: u32) -> Result<(), QueueError> {
        let run = &self.manifest.run;
        let revived = self.servers.queue.revive_expired(run, count as usize).await?;
        if revived > 0 && self.progress().messages_expired(revived) {
            tracing::warn!(%run, messages = revived, "RabbitMQ lets messages expire; they are sent again: {EXEMPT}");
        }
        Ok(())
    }
}

fn why(found: &DeadMessage) -> DeadCell {
    match &found.letter {
        Some(letter) => DeadCell { reason: letter.reason.clone(), at: letter.at },
        None => DeadCell {
            reason: "RabbitMQ reached its delivery limit for this message".to_owned(),
            at: UnixMillis::default(),
        },
    }
}
