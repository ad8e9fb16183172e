//! Sends cells to the workers: open cells in the plan's order, and lost ones again.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use tokio::time::Instant;
use valuesim_shared::id::{Cell, ModelId};
use valuesim_shared::outcome::{Packed, pack};
use valuesim_shared::queue::{Queue, QueueKind, QueueName};
use valuesim_shared::store::Store;
use valuesim_shared::task::{PackedCodes, Task, TaskKind};
use valuesim_shared::transcript::Transcript;

use super::{Coordinator, CoordinatorError};

/// How many tasks are sent concurrently: enough to hide the latency of the broker.
const CONFIRMS_IN_FLIGHT: usize = 1_024;

/// Lost cells are sent again after pauses that double up to the longest: the cause may persist, and if it does not, the run
/// must recover by itself.
const FIRST_RESEND_PAUSE: Duration = Duration::from_secs(5);
const MAX_RESEND_PAUSE: Duration = Duration::from_mins(5);

/// After this many times an operator should look into it.
const MANY_TIMES_LOST: u32 = 5;

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    pub(super) async fn dispatch(&self, model: ModelId) -> Result<(), CoordinatorError> {
        let noted_before = self.cursor.as_ref().map_or(0, |cursor| cursor.noted(model));
        let numbered = stream::iter(self.plan.cells_of(model).zip(1_u64..));
        let started = numbered.filter_map(|(cell, number)| async move {
            self.reached(number).await;
            if let Some(off_peak) = self.off_peak.as_ref().filter(|_| !self.cell_states().is_settled(cell)) {
                off_peak.reached(model).await;
            }
            self.start(cell).await.then_some((cell, number))
        });
        let sent = started.map(|(cell, number)| async move {
            if number <= noted_before {
                return Ok(());
            }
            if let Some(cursor) = &self.cursor {
                cursor.advance(model, number..=self.last_of_the_round())?;
            }
            self.send(cell).await
        });
        sent.buffer_unordered(CONFIRMS_IN_FLIGHT).try_for_each(|()| future::ready(Ok(()))).await
    }

    /// Waits for a slot in the window and starts the cell in it; returns whether the cell was open.
    async fn start(&self, cell: Cell) -> bool {
        if self.cell_states().is_settled(cell) {
            return false;
        }
        let slot = self.windows[usize::from(cell.model.0)].acquire().await.expect("the window is never closed");
        let is_open = self.cell_states().start(cell);
        if is_open {
            slot.forget();
        }
        is_open
    }

    /// Sends a cell to the workers; or its outcome to the results, if an earlier run has finished it.
    async fn send(&self, cell: Cell) -> Result<(), CoordinatorError> {
        if let Some(outcome) = self.taken(cell).await {
            let results = QueueName { run: self.run.clone(), kind: QueueKind::Results };
            return Ok(self.queue.publish(&results, outcome).await?);
        }
        let kind = match self.first_kind {
            TaskKind::Story => QueueKind::Story(cell.model),
            TaskKind::Cab => QueueKind::Cab(cell.model),
        };
        let queue = QueueName { run: self.run.clone(), kind };
        let kept = self.kept.of_cell(cell).await;
        Ok(self.queue.publish(&queue, Bytes::from(self.task(cell, kept).to_bytes())).await?)
    }

    /// The message with the cell as an earlier run has finished it, unless somebody wants it done again. What does not fit the plan
    /// was finished by another release.
    async fn taken(&self, cell: Cell) -> Option<Bytes> {
        let mut outcome = self.kept.taken(cell, &self.run, self.has_transcripts).await?;
        let fits =
            self.rules.misfits(&outcome).is_empty() && self.ledger.was_reopened(cell).is_ok_and(|reopened| !reopened);
        match pack(&mut outcome, self.queue.most_bytes()) {
            Packed::Message(message) if fits => Some(message),
            Packed::Message(_) | Packed::Parts(..) => None,
        }
    }

    fn task(&self, cell: Cell, kept_replies: Option<Transcript>) -> Task {
        let kept = self.plan.split().kept(cell.fold);
        let profile: Vec<_> = kept.iter().map(|&question| self.survey.code(cell.respondent, question)).collect();
        let draws = self.plan.draws().of_cell(cell, profile.len());
        let retrieved = self.retrieval.as_ref().map(|retrieval| retrieval.of_cell(&self.plan, &self.survey, cell));
        Task {
            version: self.task_version,
            kind: self.first_kind,
            run: self.run.clone(),
            cell,
            profile: PackedCodes(profile),
            draws,
            retrieved: retrieved.unwrap_or_default(),
            kept: kept_replies,
            history: Vec::new(),
        }
    }

    /// Sends cells again that are neither on a queue nor with a worker. Returns only on an error.
    pub(super) async fn send_lost_again<T>(&self) -> Result<T, CoordinatorError> {
        let (mut times, mut finished, mut not_before) = (0, 0, Instant::now());
        loop {
            self.lost.noticed.notified().await;
            let finished_now = self.progress.cells_finished();
            if finished_now != finished {
                (times, finished, not_before) = (0, finished_now, Instant::now());
            }
            self.lost.wait_until(not_before);
            if Instant::now() < not_before {
                continue;
            }
            let lost = self.cell_states().all_under_way();
            let lost = self.refusals().worth_another_try(lost);
            // Between two rounds nothing is under way, and nothing is lost.
            if lost.is_empty() {
                continue;
            }
            let (run, cells) = (&self.run, lost.len());
            if times >= MANY_TIMES_LOST {
                self.progress.show_lost(cells as u64);
                tracing::error!(%run, cells, times, "cells were sent again several times without an outcome: check the dead letters and the workers' logs");
            }
            tracing::warn!(%run, cells, "these cells are neither on a queue nor with a worker; sending them again");
            let sent = stream::iter(lost).map(|cell| self.send(cell)).buffer_unordered(CONFIRMS_IN_FLIGHT);
            sent.try_for_each(|()| future::ready(Ok(()))).await?;
            times += 1;
            not_before = Instant::now() + lost_again_after(times);
        }
    }
}

/// The pause after cells were sent again for the n-th time.
fn lost_again_after(times: u32) -> Duration {
    let doubled = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_RESEND_PAUSE.saturating_mul(doubled).min(MAX_RESEND_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_cells_are_sent_again_for_ever_and_ever_less_often() {
        let seconds: Vec<u64> = (1..10).map(|times| lost_again_after(times).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(lost_again_after(u32::MAX), MAX_RESEND_PAUSE);
    }
}
