//! Takes outcomes in: many into one transaction of the ledger, acknowledged once they are on the disk.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use valuesim_shared::dead::{DeadLetter, Unfit};
use valuesim_shared::id::Cell;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellOutcome, OUTCOME_VERSION};
use valuesim_shared::queue::{Delivery, Lane, Queue, QueueName};
use valuesim_shared::store::Store;

use super::{Coordinator, CoordinatorError, RunEnd};

/// How many outcomes one transaction of the ledger takes at most.
const OUTCOMES_PER_COMMIT: usize = 512;

/// How many outcomes are fetched together at most: the next transaction's while this one is written.
const OUTCOMES_AHEAD: usize = 1_000;

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    pub(super) async fn receive(&self, stop: &CancellationToken) -> Result<RunEnd, CoordinatorError> {
        let results = QueueName { run: self.run.clone(), lane: Lane::Results };
        while !self.is_over() {
            let first = tokio::select! {
                biased;
                first = self.queue.take(&results, OUTCOMES_AHEAD) => first?,
                () = self.dead_changed.notified() => continue,
                () = stop.cancelled() => return Ok(RunEnd::Interrupted),
            };
            let mut deliveries = vec![first];
            while deliveries.len() < OUTCOMES_PER_COMMIT {
                let Some(next) = self.queue.try_take(&results) else { break };
                deliveries.push(next);
            }
            let recorded = self.record(deliveries).await?;
            tokio::select! {
                biased;
                forgotten = self.forget(recorded) => forgotten?,
                // A store that is away keeps nobody from stopping; what it still holds expires.
                () = stop.cancelled() => {}
            }
        }
        Ok(RunEnd::Finished)
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

    async fn forget(&self, cells: Vec<Cell>) -> Result<(), CoordinatorError> {
        let forgetting = cells.into_iter().map(|cell| self.store.forget(&self.run, cell));
        futures_util::future::try_join_all(forgetting).await?;
        Ok(())
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
