//! Keeps a bounded window of cells under way, and writes what comes back into the ledger.
//!
//! ```text
//!   plan ──> dispatch ──> story / CAB queues ──> workers ──> results queue ──> ledger
//!               ^                                                                │
//!               └──────────── a place in the window becomes free ────────────────┘
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use valuesim_shared::dead::{DeadLetter, Unfit};
use valuesim_shared::id::{Cell, ModelId, Respondent, RunId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellOutcome, OUTCOME_VERSION};
use valuesim_shared::queue::{Delivery, Lane, Queue, QueueError, QueueName};
use valuesim_shared::store::{Store, StoreError};
use valuesim_shared::survey::Survey;
use valuesim_shared::task::{PackedCodes, TASK_VERSION, Task, TaskKind};

use crate::cursor::{Cursor, CursorError};
use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;

/// How many outcomes one transaction of the ledger takes at most.
const OUTCOMES_PER_COMMIT: usize = 512;

/// How many outcomes are fetched together at most: the next transaction's while this one is written.
const OUTCOMES_AHEAD: usize = 1_000;

/// How many tasks are sent side by side: enough to hide the way to the broker.
const CONFIRMS_IN_FLIGHT: usize = 256;

/// How often cells are sent again that do not come back: more often they are lost for a reason that stays.
const MOST_TIMES_LOST: u32 = 5;

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
    /// It could not be noted how far the run is dispatched.
    #[error(transparent)]
    Cursor(#[from] CursorError),
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
    spent: AtomicU64,
}

impl Progress {
    /// Cells in the ledger.
    pub fn cells_finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// What the cells cost that this process received.
    pub fn spent(&self) -> NanoUsd {
        NanoUsd(self.spent.load(Ordering::Relaxed))
    }

    fn add_spent(&self, NanoUsd(spent): NanoUsd) {
        self.spent.fetch_add(spent, Ordering::Relaxed);
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
    window: usize,
    finished_before: HashSet<Cell>,
    respondents: HashSet<Respondent>,
    progress: Arc<Progress>,
    unfit: Unfit,
    cursor: Option<Cursor>,
    lost: Notify,
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
        let respondents = plan.respondents().iter().copied().collect();
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
            window,
            finished_before,
            respondents,
            progress,
            unfit: Unfit::EndsTheProcess,
            cursor: None,
            lost: Notify::new(),
        })
    }

    /// The same for a run whose queues outlive this process: what went out before is waited for, and what cannot be
    /// read is parked in the name of the process `by`.
    #[must_use]
    pub fn on_lasting_queues(self, cursor: Cursor, by: String) -> Self {
        Self { cursor: Some(cursor), unfit: Unfit::IsParked { by }, ..self }
    }

    /// Cells that were dispatched and are not finished.
    pub fn cells_under_way(&self) -> u64 {
        let places = |window: &Semaphore| self.window.saturating_sub(window.available_permits()) as u64;
        self.windows.iter().map(places).sum()
    }

    /// Says that nothing is under way anywhere: what was dispatched and is not finished is lost, and is sent again.
    pub fn nothing_is_under_way(&self) {
        self.lost.notify_one();
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
            failed = self.send_lost_again() => failed,
        }
    }

    async fn dispatch(&self, model: ModelId) -> Result<(), CoordinatorError> {
        let noted_before = self.cursor.as_ref().map_or(0, |cursor| cursor.noted(model));
        let open = self.plan.cells_of(model).zip(1_u64..).filter(|(cell, _)| !self.finished_before.contains(cell));
        let placed = stream::iter(open).then(|(cell, number)| async move {
            let place = self.windows[usize::from(model.0)].acquire().await.expect("the window is never closed");
            place.forget();
            (cell, number)
        });
        let sent = placed.map(|(cell, number)| async move {
            if number <= noted_before {
                return Ok(());
            }
            if let Some(cursor) = &self.cursor {
                cursor.advance(model, number)?;
            }
            self.send(cell).await
        });
        sent.buffer_unordered(CONFIRMS_IN_FLIGHT).try_for_each(|()| future::ready(Ok(()))).await
    }

    async fn send(&self, cell: Cell) -> Result<(), CoordinatorError> {
        let lane = match self.first_kind {
            TaskKind::Story => Lane::Story(cell.model),
            TaskKind::Cab => Lane::Cab(cell.model),
        };
        let queue = QueueName { run: self.run.clone(), lane };
        Ok(self.queue.publish(&queue, Bytes::from(self.task(cell).to_bytes())).await?)
    }

    async fn send_lost_again<T>(&self) -> Result<T, CoordinatorError> {
        let (mut times, mut finished) = (0, 0);
        loop {
            self.lost.notified().await;
            let finished_now = self.progress.cells_finished();
            times = if finished_now == finished { times } else { 0 };
            finished = finished_now;
            let lost = self.lost_cells()?;
            let cells = lost.len();
            if times == MOST_TIMES_LOST {
                tracing::error!(run = %self.run, cells, "cells do not come back, however often they are sent: see the dead letters");
                continue;
            }
            tracing::warn!(run = %self.run, cells, "nobody works on these cells any more; they are sent again");
            let sent = stream::iter(lost).map(|cell| self.send(cell)).buffer_unordered(CONFIRMS_IN_FLIGHT);
            sent.try_for_each(|()| future::ready(Ok(()))).await?;
            times += 1;
        }
    }

    /// What was dispatched, by this process or before, and is not in the ledger.
    fn lost_cells(&self) -> Result<Vec<Cell>, CoordinatorError> {
        let finished: HashSet<Cell> = self.ledger.finished()?.collect::<Result<_, _>>()?;
        let of_model = |model| {
            let noted = self.cursor.as_ref().map_or(0, |cursor| cursor.noted(model));
            self.plan.cells_of(model).take(usize::try_from(noted).unwrap_or(usize::MAX))
        };
        Ok(self.plan.models().flat_map(of_model).filter(|cell| !finished.contains(cell)).collect())
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
            history: Vec::new(),
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
        let (deliveries, outcomes) = self.read_all(deliveries).await?;
        let cells: Vec<Cell> = outcomes.iter().map(|outcome| outcome.cell).collect();
        let costs: HashMap<Cell, NanoUsd> =
            outcomes.iter().map(|outcome| (outcome.cell, outcome.spend.total().cost)).collect();
        let ledger = Arc::clone(&self.ledger);
        let writing = tokio::task::spawn_blocking(move || ledger.record(&outcomes));
        let new = writing.await.expect("writing to the ledger does not panic")?;
        self.progress.add(new.len());
        for cell in new {
            self.progress.add_spent(costs.get(&cell).copied().unwrap_or_default());
            self.windows[cell.model.0 as usize].add_permits(1);
        }
        for delivery in deliveries {
            delivery.ack().await?;
        }
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
        let Cell { model, respondent, fold } = outcome.cell;
        let is_planned = outcome.run == self.run
            && usize::from(model.0) < self.windows.len()
            && self.plan.folds().contains(&fold)
            && self.respondents.contains(&respondent);
        if is_planned {
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
