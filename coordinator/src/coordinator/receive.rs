//! Receives outcomes: writes many in one transaction of the ledger, and acknowledges them once they are on disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::dead_letter::{DeadLetter, OnBadMessage};
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellOutcome, UnpackError, Unpacked, unpack};
use valuesim_shared::queue::{Delivery, Queue, QueueKind, QueueName};
use valuesim_shared::store::{Store, StoreError};

use super::{Coordinator, CoordinatorError, RunEnd};
use crate::ledger::LedgerError;

/// The most outcomes in one transaction of the ledger.
const OUTCOMES_PER_COMMIT: usize = 1_000;

/// The shortest time between the starts of two transactions that are not full: a transaction costs the same for one outcome as
/// for a hundred.
const COMMIT_EVERY: Duration = Duration::from_millis(50);

/// How many outcomes are fetched together at most: the next transaction's while this one is written.
const OUTCOMES_AHEAD: usize = 2_000;

/// The same where outcomes have transcripts, and so up to 16 MiB.
const TRANSCRIPTS_AHEAD: usize = 50;

/// The transcripts in memory at once, in bytes; the last outcome may have more.
const TRANSCRIPT_BYTES: usize = 64 << 20;

/// How long a stopping coordinator waits for the store.
const FORGET_WITHIN: Duration = Duration::from_secs(1);

/// Outcomes that were read, with their deliveries.
struct Batch<D> {
    deliveries: Vec<D>,
    outcomes: Vec<CellOutcome>,
    /// The length of their transcripts.
    bytes: usize,
}

impl<D> Default for Batch<D> {
    fn default() -> Self {
        Self { deliveries: Vec::new(), outcomes: Vec::new(), bytes: 0 }
    }
}

impl<D> Batch<D> {
    fn has_room(&self) -> bool {
        self.outcomes.len() < OUTCOMES_PER_COMMIT && self.bytes < TRANSCRIPT_BYTES
    }

    fn and(mut self, more: Self) -> Self {
        self.deliveries.extend(more.deliveries);
        self.outcomes.extend(more.outcomes);
        self.bytes += more.bytes;
        self
    }
}

/// Outcomes that are being written; the next ones are received meanwhile.
struct Writing<D> {
    deliveries: Vec<D>,
    costs: HashMap<Cell, NanoUsd>,
    task: JoinHandle<Result<Vec<Cell>, LedgerError>>,
}

/// Outcomes on the disk.
struct Written<D> {
    deliveries: Vec<D>,
    costs: HashMap<Cell, NanoUsd>,
    /// The cells that were not in the ledger before.
    new: Vec<Cell>,
}

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    pub(super) async fn receive(&self, stop: &CancellationToken) -> Result<RunEnd, CoordinatorError> {
        let results = QueueName { run: self.run.clone(), kind: QueueKind::Results };
        let (mut writing, mut next): (_, Option<Batch<_>>) = (None, None);
        let mut due = Instant::now();
        let mut forgetting = Forgetting::default();
        let ahead = if self.has_transcripts { TRANSCRIPTS_AHEAD } else { OUTCOMES_AHEAD };
        let end = loop {
            if let Some(end) = self.end(stop).await? {
                break end;
            }
            // Queues that outlive the process keep what waits on them.
            if self.cursor.is_some() && stop.is_cancelled() {
                break RunEnd::Interrupted;
            }
            tokio::select! {
                biased;
                written = written(&mut writing) => {
                    forgetting = self.settle(written?, forgetting, stop).await?;
                }
                first = self.queue.take(&results, ahead), if next.as_ref().is_none_or(Batch::has_room) => {
                    let batch = self.read_all(self.gather(first?, &results)).await?;
                    next = Some(next.unwrap_or_default().and(batch));
                }
                () = sleep_until(due), if writing.is_none() && next.is_some() => {}
                () = self.dead_changed.notified() => {}
                // A queue in memory is emptied first.
                () = stop.cancelled(), if next.is_none() => break RunEnd::Interrupted,
            }
            let is_due = next.as_ref().is_some_and(|next| !next.has_room() || Instant::now() >= due);
            if writing.is_none() && is_due {
                writing = next.take().map(|batch| self.write(batch));
                due = Instant::now() + COMMIT_EVERY;
            }
        };
        // Outcomes that have arrived are paid for, and the queue may be deleted with the run.
        while let Some(first) = self.queue.try_take(&results) {
            let batch = self.read_all(self.gather(first, &results)).await?;
            next = Some(next.unwrap_or_default().and(batch));
        }
        if writing.is_none() {
            writing = next.take().map(|batch| self.write(batch));
        }
        while writing.is_some() {
            forgetting = self.settle(written(&mut writing).await?, forgetting, stop).await?;
            writing = next.take().map(|batch| self.write(batch));
        }
        forgetting.ended(stop).await?;
        Ok(end)
    }

    /// A delivery, and those that came with it: as many as one transaction has room for.
    fn gather(&self, first: Q::Delivery, results: &QueueName) -> Vec<Q::Delivery> {
        let mut bytes = weight(first.body());
        let mut all = vec![first];
        while all.len() < OUTCOMES_PER_COMMIT && bytes < TRANSCRIPT_BYTES {
            let Some(more) = self.queue.try_take(results) else { break };
            bytes += weight(more.body());
            all.push(more);
        }
        all
    }

    /// Starts to write outcomes into the ledger.
    fn write(&self, Batch { deliveries, outcomes, .. }: Batch<Q::Delivery>) -> Writing<Q::Delivery> {
        let costs = outcomes.iter().map(|outcome| (outcome.cell, outcome.spend.total().cost)).collect();
        let ledger = Arc::clone(&self.ledger);
        let task = tokio::task::spawn_blocking(move || ledger.record(&outcomes));
        Writing { deliveries, costs, task }
    }

    /// Acknowledges outcomes that are on disk, and starts to delete what the store kept for their cells.
    async fn settle(
        &self,
        Written { deliveries, costs, mut new }: Written<Q::Delivery>,
        before: Forgetting,
        stop: &CancellationToken,
    ) -> Result<Forgetting, CoordinatorError> {
        if let Some(live) = &self.live {
            live.recorded(&new);
        }
        for cell in &new {
            self.progress.add_spent(costs.get(cell).copied().unwrap_or_default());
        }
        {
            let mut cell_states = self.cell_states();
            new.retain(|&cell| cell_states.finish(cell));
        }
        self.free(new);
        for delivery in deliveries {
            delivery.ack().await?;
        }
        before.ended(stop).await?;
        Ok(Forgetting::begin(self.store.clone(), self.run.clone(), costs.into_keys().collect()))
    }

    /// The outcomes with their deliveries. An unreadable one becomes a dead letter, or an error.
    async fn read_all(&self, deliveries: Vec<Q::Delivery>) -> Result<Batch<Q::Delivery>, CoordinatorError> {
        let (mut good, mut outcomes) = (Vec::with_capacity(deliveries.len()), Vec::with_capacity(deliveries.len()));
        for delivery in deliveries {
            match (self.read(&delivery).await, &self.on_bad_message) {
                (Ok(outcome), _) => {
                    good.push(delivery);
                    outcomes.push(outcome);
                }
                (Err(error), OnBadMessage::EndProcess) => return Err(error),
                (Err(error), OnBadMessage::DeadLetter { by }) => {
                    let letter = DeadLetter::new(delivery.body(), error.to_string(), by.clone());
                    tracing::error!(run = %self.run, error = letter.reason, "an outcome cannot be processed and becomes a dead letter");
                    let dead = QueueName { run: self.run.clone(), kind: QueueKind::Dead };
                    self.queue.publish(&dead, Bytes::from(letter.to_bytes())).await?;
                    delivery.ack().await?;
                }
            }
        }
        let transcripts = outcomes.iter().filter_map(|outcome| outcome.transcript.as_ref());
        let bytes = transcripts.map(|transcript| transcript.as_bytes().len()).sum();
        Ok(Batch { deliveries: good, outcomes, bytes })
    }

    async fn read(&self, delivery: &Q::Delivery) -> Result<CellOutcome, CoordinatorError> {
        let unreadable = |error: UnpackError| CoordinatorError::Outcome(error.to_string());
        let outcome = match unpack(delivery.body()).map_err(unreadable)? {
            Unpacked::Outcome(outcome) => *outcome,
            Unpacked::Parts(notice) if notice.run == self.run && self.planned.contains(notice.cell) => {
                let parts = self.store.outcome_parts(&self.run, notice.cell, &notice.digest, notice.parts).await?;
                notice.outcome(&parts).map_err(unreadable)?
            }
            Unpacked::Parts(notice) => {
                let reason = format!("cell {} of run {} is not planned in run {}", notice.cell, notice.run, self.run);
                return Err(CoordinatorError::Outcome(reason));
            }
        };
        let (run, cell) = (&outcome.run, outcome.cell);
        if *run != self.run || !self.planned.contains(cell) {
            let reason = format!("cell {cell} of run {run} is not planned in run {}", self.run);
            return Err(CoordinatorError::Outcome(reason));
        }
        let misfits = self.rules.misfits(&outcome);
        if let Some(first) = misfits.first() {
            self.refusals().add(cell);
            let more = if misfits.len() > 1 { format!(" (and {} more)", misfits.len() - 1) } else { String::new() };
            return Err(CoordinatorError::Outcome(format!("that of cell {cell} does not fit the plan: {first}{more}")));
        }
        Ok(outcome)
    }
}

/// What a message weighs in memory, about: of a notice, as much as anything may be, so that it is read alone.
fn weight(message: &[u8]) -> usize {
    if message.starts_with(b"{\"v") { message.len() } else { TRANSCRIPT_BYTES }
}

/// Returns when the current transaction is on disk; never, if there is none.
async fn written<D>(writing: &mut Option<Writing<D>>) -> Result<Written<D>, LedgerError> {
    let Some(under_way) = writing else { return std::future::pending().await };
    let new = (&mut under_way.task).await.expect("writing to the ledger does not panic");
    let Writing { deliveries, costs, .. } = writing.take().expect("it is there");
    Ok(Written { deliveries, costs, new: new? })
}

/// Deletes what the store keeps for recorded cells, while the next cells are recorded.
#[derive(Default)]
struct Forgetting(Option<AbortOnDropHandle<Result<(), StoreError>>>);

impl Forgetting {
    fn begin<S: Store>(store: S, run: RunId, cells: Vec<Cell>) -> Self {
        let forgetting = tokio::spawn(async move {
            let forgetting = cells.into_iter().map(|cell| store.forget(&run, cell));
            futures_util::future::try_join_all(forgetting).await.map(drop)
        });
        Self(Some(AbortOnDropHandle::new(forgetting)))
    }

    /// Waits until it is done. An unreachable store delays a stop only briefly; what it still keeps expires.
    async fn ended(self, stop: &CancellationToken) -> Result<(), StoreError> {
        let Some(forgetting) = self.0 else { return Ok(()) };
        tokio::select! {
            biased;
            forgotten = forgetting => forgotten.expect("forgetting does not panic"),
            () = async { stop.cancelled().await; sleep(FORGET_WITHIN).await } => Ok(()),
        }
    }
}
