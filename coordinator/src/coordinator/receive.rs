//! Takes outcomes in: many into one transaction of the ledger, acknowledged once they are on the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::dead::{DeadLetter, Unfit};
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellOutcome, OUTCOME_VERSION};
use valuesim_shared::queue::{Delivery, Lane, Queue, QueueName};
use valuesim_shared::store::{Store, StoreError};

use super::{Coordinator, CoordinatorError, RunEnd};

/// How many outcomes one transaction of the ledger takes at most.
const OUTCOMES_PER_COMMIT: usize = 512;

/// How many outcomes are fetched together at most: the next transaction's while this one is written.
const OUTCOMES_AHEAD: usize = 2_000;

/// How long a coordinator that is to stop waits for the store.
const FORGET_WITHIN: Duration = Duration::from_secs(1);

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    pub(super) async fn receive(&self, stop: &CancellationToken) -> Result<RunEnd, CoordinatorError> {
        let results = QueueName { run: self.run.clone(), lane: Lane::Results };
        let mut forgetting = Forgetting::default();
        let end = loop {
            if self.is_over() {
                break RunEnd::Finished;
            }
            let first = tokio::select! {
                biased;
                first = self.queue.take(&results, OUTCOMES_AHEAD) => first?,
                () = self.dead_changed.notified() => continue,
                () = stop.cancelled() => break RunEnd::Interrupted,
            };
            let mut deliveries = vec![first];
            while deliveries.len() < OUTCOMES_PER_COMMIT {
                let Some(next) = self.queue.try_take(&results) else { break };
                deliveries.push(next);
            }
            let recorded = self.record(deliveries).await?;
            forgetting.ended(stop).await?;
            forgetting = Forgetting::begin(self.store.clone(), self.run.clone(), recorded);
        };
        forgetting.ended(stop).await?;
        Ok(end)
    }

    /// Writes outcomes, and acknowledges them and drops what the store kept for them once they are on the disk.
    /// Brings outcomes into the ledger, and then acknowledges them. Returns their cells.
    async fn record(&self, deliveries: Vec<Q::Delivery>) -> Result<Vec<Cell>, CoordinatorError> {
        let (deliveries, outcomes) = self.read_all(deliveries).await?;
        let costs: HashMap<Cell, NanoUsd> =
            outcomes.iter().map(|outcome| (outcome.cell, outcome.spend.total().cost)).collect();
        let ledger = Arc::clone(&self.ledger);
        let writing = tokio::task::spawn_blocking(move || ledger.record(&outcomes));
        let mut new = writing.await.expect("writing to the ledger does not panic")?;
        for cell in &new {
            self.progress.add_spent(costs.get(cell).copied().unwrap_or_default());
        }
        {
            let mut places = self.places();
            new.retain(|&cell| places.finish(cell));
        }
        self.free(new);
        for delivery in deliveries {
            delivery.ack().await?;
        }
        Ok(costs.into_keys().collect())
    }

    /// The outcomes with their deliveries; what is none is parked, or an error.
    async fn read_all(
        &self,
        deliveries: Vec<Q::Delivery>,
    ) -> Result<(Vec<Q::Delivery>, Vec<CellOutcome>), CoordinatorError> {
        let (mut good, mut outcomes) = (Vec::with_capacity(deliveries.len()), Vec::with_capacity(deliveries.len()));
        for delivery in deliveries {
            match (self.read(&delivery), &self.unfit) {
                (Ok(outcome), _) => {
                    good.push(delivery);
                    outcomes.push(outcome);
                }
                (Err(error), Unfit::EndsTheProcess) => return Err(error),
                (Err(error), Unfit::IsParked { by }) => {
                    tracing::error!(run = %self.run, %error, "an outcome goes to the dead letters");
                    let letter = DeadLetter::new(delivery.body(), error.to_string(), by.clone());
                    let dead = QueueName { run: self.run.clone(), lane: Lane::Dead };
                    self.queue.publish(&dead, Bytes::from(letter.to_bytes())).await?;
                    delivery.ack().await?;
                }
            }
        }
        Ok((good, outcomes))
    }

    fn read(&self, delivery: &Q::Delivery) -> Result<CellOutcome, CoordinatorError> {
        let outcome = read_outcome(delivery)?;
        if outcome.run == self.run && self.planned.contains(outcome.cell) {
            return Ok(outcome);
        }
        let (run, cell) = (&outcome.run, outcome.cell);
        Err(CoordinatorError::Outcome(format!("cell {cell} of run {run} is not planned in run {}", self.run)))
    }
}

fn read_outcome(delivery: &impl Delivery) -> Result<CellOutcome, CoordinatorError> {
    let outcome: CellOutcome =
        serde_json::from_slice(delivery.body()).map_err(|error| CoordinatorError::Outcome(error.to_string()))?;
    if outcome.version != OUTCOME_VERSION {
        let version = outcome.version;
        return Err(CoordinatorError::Outcome(format!("it has version {version}, expected {OUTCOME_VERSION}")));
    }
    Ok(outcome)
}

/// What the store keeps for recorded cells is dropped while the next ones are recorded.
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

    /// Waits until it is done. A store that is away keeps nobody from stopping for long; what it still holds expires.
    async fn ended(self, stop: &CancellationToken) -> Result<(), StoreError> {
        let Some(forgetting) = self.0 else { return Ok(()) };
        tokio::select! {
            biased;
            forgotten = forgetting => forgotten.expect("forgetting does not panic"),
            () = async { stop.cancelled().await; sleep(FORGET_WITHIN).await } => Ok(()),
        }
    }
}
