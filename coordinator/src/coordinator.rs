//! Keeps a bounded window of cells under way, and writes what comes back into the ledger.
//!
//! ```text
//!   plan ──> dispatch ──> story / CAB queues ──> workers ──> results queue ──> ledger
//!               ^                                                                │
//!               └──────────── a place in the window becomes free ────────────────┘
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::outcome::{CellOutcome, OUTCOME_VERSION};
use valuesim_shared::queue::{Delivery, Lane, Queue, QueueError, QueueName};
use valuesim_shared::store::{Store, StoreError};
use valuesim_shared::survey::Survey;
use valuesim_shared::task::{PackedCodes, TASK_VERSION, Task, TaskKind};

use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;

/// How many outcomes one transaction of the ledger takes at most.
const OUTCOMES_PER_COMMIT: usize = 512;

/// How many outcomes are fetched together at most: the next transaction's while this one is written.
const OUTCOMES_AHEAD: usize = 1_000;

/// Why the coordinator cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An outcome cannot be read.
    #[error("read an outcome from the results queue: {0}")]
    Outcome(String),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All cells are in the ledger.
    Finished,
    /// It was stopped before that and can go on.
    Interrupted,
}

/// How far a run is; read by the progress display while the run goes on.
#[derive(Debug, Default)]
pub struct Progress {
    finished: AtomicU64,
}

impl Progress {
    /// Cells in the ledger.
    pub fn cells_finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    fn add(&self, cells: usize) {
        self.finished.fetch_add(cells as u64, Ordering::Relaxed);
    }
}

/// The owner of one run.
#[derive(Debug)]
pub struct Coordinator<Q, S> {
    run: RunId,
    plan: Arc<Plan>,
    survey: Arc<Survey>,
    ledger: Arc<Ledger>,
    queue: Q,
    store: S,
    first_kind: TaskKind,
    /// Places in each model's window.
    windows: Vec<Semaphore>,
    finished_before: HashSet<Cell>,
    progress: Arc<Progress>,
}

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    /// A coordinator that keeps at most `window` cells of each model under way. Asks the ledger what is finished.
    pub fn new(
        manifest: &Manifest,
        plan: Arc<Plan>,
        survey: Arc<Survey>,
        ledger: Arc<Ledger>,
        (queue, store): (Q, S),
        window: usize,
    ) -> Result<Self, CoordinatorError> {
        let finished_before: HashSet<Cell> = ledger.finished()?.collect::<Result<_, _>>()?;
        let progress = Arc::new(Progress::default());
        progress.add(finished_before.len());
        let first_kind = if manifest.needs_backstory() { TaskKind::Story } else { TaskKind::Cab };
        let windows = plan.models().map(|_| Semaphore::new(window)).collect();
        Ok(Self {
            run: manifest.run.clone(),
            plan,
            survey,
            ledger,
            queue,
            store,
            first_kind,
            windows,
            finished_before,
            progress,
        })
    }

    /// How far the run is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Dispatches and records until all cells are finished or `stop` is cancelled; then records what is there already.
    ///
    /// Nobody may work for the run any more when `stop` is cancelled: outcomes that come later are not seen.
    pub async fn run(&self, stop: &CancellationToken) -> Result<RunEnd, CoordinatorError> {
        let dispatch_all = async {
            let models = self.plan.models().map(|model| self.dispatch(model));
            futures_util::future::try_join_all(models).await?;
            std::future::pending().await
        };
        tokio::select! {
            biased;
            end = self.receive(stop) => end,
            failed = dispatch_all => failed,
        }
    }

    async fn dispatch(&self, model: ModelId) -> Result<(), CoordinatorError> {
        let lane = match self.first_kind {
            TaskKind::Story => Lane::Story(model),
            TaskKind::Cab => Lane::Cab(model),
        };
        let queue = QueueName { run: self.run.clone(), lane };
        for cell in self.plan.cells_of(model).filter(|cell| !self.finished_before.contains(cell)) {
            let place = self.windows[model.0 as usize].acquire().await.expect("the window is never closed");
            place.forget();
            self.queue.publish(&queue, Bytes::from(self.task(cell).to_bytes())).await?;
        }
        Ok(())
    }

    fn task(&self, cell: Cell) -> Task {
        let kept = self.plan.split().kept(cell.fold);
        let profile = kept.iter().map(|&question| self.survey.code(cell.respondent, question)).collect();
        Task {
            version: TASK_VERSION,
            kind: self.first_kind,
            run: self.run.clone(),
            cell,
            profile: PackedCodes(profile),
        }
    }

    async fn receive(&self, stop: &CancellationToken) -> Result<RunEnd, CoordinatorError> {
        let results = QueueName { run: self.run.clone(), lane: Lane::Results };
        while self.progress.cells_finished() < self.plan.cells() {
            let first = tokio::select! {
                biased;
                first = self.queue.take(&results, OUTCOMES_AHEAD) => first?,
                () = stop.cancelled() => return Ok(RunEnd::Interrupted),
            };
            let mut deliveries = vec![first];
            while deliveries.len() < OUTCOMES_PER_COMMIT {
                let Some(next) = self.queue.try_take(&results) else { break };
                deliveries.push(next);
            }
            self.record(deliveries).await?;
        }
        Ok(RunEnd::Finished)
    }

    /// Writes outcomes, and acknowledges them and drops what the store kept for them once they are on the disk.
    async fn record(&self, deliveries: Vec<Q::Delivery>) -> Result<(), CoordinatorError> {
        let outcomes: Vec<CellOutcome> = deliveries.iter().map(read_outcome).collect::<Result<_, _>>()?;
        let cells: Vec<Cell> = outcomes.iter().map(|outcome| outcome.cell).collect();
        let ledger = Arc::clone(&self.ledger);
        let writing = tokio::task::spawn_blocking(move || ledger.record(&outcomes));
        let new = writing.await.expect("writing to the ledger does not panic")?;
        self.progress.add(new.len());
        for cell in new {
            self.windows[cell.model.0 as usize].add_permits(1);
        }
        for delivery in deliveries {
            delivery.ack().await?;
        }
        let forgetting = cells.into_iter().map(|cell| self.store.forget(&self.run, cell));
        futures_util::future::try_join_all(forgetting).await?;
        Ok(())
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
