//! Keeps a bounded window of cells in progress, and writes their outcomes into the ledger.
//!
//! ```text
//!   plan ──> dispatch ──> story / CAB queues ──> workers ──> results queue ──> ledger
//!               ^                                                                │
//!               └──────────── a slot in the window becomes free ────────────────┘
//! ```

mod cell_states;
mod dispatch;
mod lost_cells;
mod receive;
mod refusals;
mod rounds;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::RunScores;
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::{Queue, QueueError};
use valuesim_shared::store::{Store, StoreError};
use valuesim_shared::survey::Survey;
use valuesim_shared::task::{TASK_VERSION, TaskKind};

use crate::cursor::{Cursor, CursorError};
use crate::evaluation::EvaluationError;
use crate::kept_replies::KeptReplies;
use crate::ledger::{DeadCells, Ledger, LedgerError};
use crate::live::LiveScores;
use crate::off_peak::OffPeak;
use crate::outcome_rules::OutcomeRules;
use crate::plan::{Plan, Planned};
use crate::retrieval::Retrieval;
use crate::rounds::Rounds;
use cell_states::CellStates;
use lost_cells::LostCells;
use refusals::Refusals;

/// Why the coordinator failed.
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
    /// The dispatch cursor could not be written.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// A round could not be decided.
    #[error("decide whether to ask more people: {0}")]
    Round(#[from] EvaluationError),
    /// An outcome could not be read.
    #[error("read an outcome from the results queue: {0}")]
    Outcome(String),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// All cells are in the ledger.
    Finished,
    /// It was stopped before that, and can be resumed.
    Interrupted,
}

/// What to do about messages that expire.
pub(crate) const EXEMPT: &str = "exempt the queues `valuesim.*` from the policy with message-ttl that `rabbitmqctl list_policies` \
                                 shows, because what waits there is work";

/// The progress of a run, for displays.
#[derive(Debug, Default)]
pub struct Progress {
    planned: AtomicU64,
    finished: AtomicU64,
    dead: AtomicU64,
    /// Cells that were sent again several times without an outcome.
    lost: AtomicU64,
    /// Messages that the broker let expire, and that were sent again.
    expired: AtomicU64,
    /// The cost of the cells finished since the coordinator started, in nano-dollars.
    spent: AtomicU64,
}

impl Progress {
    /// Cells of the plan; of rounds, those of the people so far.
    pub fn cells_planned(&self) -> u64 {
        self.planned.load(Ordering::Relaxed)
    }

    /// Cells in the ledger.
    pub fn cells_finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Dead cells.
    pub fn cells_dead(&self) -> u64 {
        self.dead.load(Ordering::Relaxed)
    }

    /// Cells that were sent again several times without an outcome; 0 again as soon as any cell finishes.
    pub fn cells_lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Messages that the broker let expire, and that were sent again.
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// Counts messages that the broker let expire; returns whether they are the first.
    pub(crate) fn messages_expired(&self, messages: u32) -> bool {
        self.expired.fetch_add(u64::from(messages), Ordering::Relaxed) == 0
    }

    /// The cost of the cells finished since the coordinator started.
    pub fn spent(&self) -> NanoUsd {
        NanoUsd(self.spent.load(Ordering::Relaxed))
    }

    fn plan(&self, cells: u64) {
        self.planned.store(cells, Ordering::Relaxed);
    }

    fn add_spent(&self, NanoUsd(spent): NanoUsd) {
        self.spent.fetch_add(spent, Ordering::Relaxed);
    }

    fn show_lost(&self, cells: u64) {
        self.lost.store(cells, Ordering::Relaxed);
    }

    fn show(&self, cell_states: &CellStates) {
        if self.finished.swap(cell_states.finished(), Ordering::Relaxed) != cell_states.finished() {
            self.show_lost(0);
        }
        self.dead.store(cell_states.dead(), Ordering::Relaxed);
    }
}

/// The owner of one run.
#[derive(Debug)]
pub struct Coordinator<Q, S> {
    run: RunId,
    plan: Arc<Plan>,
    planned: Planned,
    /// What outcomes must be to enter the ledger.
    rules: OutcomeRules,
    /// Cells whose outcomes did not fit.
    refusals: Mutex<Refusals>,
    survey: Arc<Survey>,
    ledger: Arc<Ledger>,
    queue: Q,
    store: S,
    has_transcripts: bool,
    /// Decides after each round whether there is another; `None` unless the run asks people in rounds.
    rounds: Option<Arc<Rounds>>,
    /// How many people of the plan may be asked so far: all, or those of the rounds that have begun.
    people: watch::Sender<u64>,
    /// Finds the items of profiles that `rag` asks with; `None` unless the run has it.
    retrieval: Option<Arc<Retrieval>>,
    /// What earlier runs have of its cells.
    kept: Arc<KeptReplies>,
    /// Lets cells wait for cheap hours; `None` if they begin at any hour.
    off_peak: Option<OffPeak>,
    /// The kind of a cell's first task.
    first_kind: TaskKind,
    /// Free slots in each model's window.
    windows: Vec<Semaphore>,
    cell_states: Mutex<CellStates>,
    progress: Arc<Progress>,
    /// Scores the finished cells while the run goes on.
    live: Option<LiveScores>,
    on_bad_message: OnBadMessage,
    /// How far the run was dispatched, if the queues outlive this process.
    cursor: Option<Cursor>,
    /// The message version of the tasks that it sends.
    task_version: u16,
    /// Whether dispatched cells are neither on a queue nor with a worker.
    lost: LostCells,
    /// Notified when the set of dead cells has changed.
    dead_changed: Notify,
}

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    /// A coordinator that keeps at most `window` cells of each model in progress. Reads the finished cells from the ledger.
    pub fn new(
        manifest: &Manifest,
        plan: Arc<Plan>,
        survey: Arc<Survey>,
        ledger: Arc<Ledger>,
        (queue, store): (Q, S),
        window: usize,
    ) -> Result<Self, CoordinatorError> {
        let mut cell_states = CellStates::default();
        for cell in ledger.finished()? {
            cell_states.finish(cell?);
        }
        let progress = Arc::new(Progress::default());
        progress.show(&cell_states);
        progress.plan(plan.cells());
        let people = watch::Sender::new(plan.respondents().len() as u64);
        let first_kind = if manifest.needs_backstory() { TaskKind::Story } else { TaskKind::Cab };
        let windows = plan.models().map(|_| Semaphore::new(window)).collect();
        Ok(Self {
            run: manifest.run.clone(),
            has_transcripts: manifest.transcripts,
            planned: plan.planned(),
            rules: OutcomeRules::new((&manifest.methods, manifest.behaviour), &plan, &manifest.codebook),
            refusals: Mutex::new(Refusals::given_up_before(ledger.dead()?.into_keys())),
            plan,
            survey,
            ledger,
            queue,
            store,
            rounds: None,
            people,
            retrieval: None,
            kept: Arc::default(),
            off_peak: None,
            first_kind,
            windows,
            cell_states: Mutex::new(cell_states),
            progress,
            live: None,
            on_bad_message: OnBadMessage::EndProcess,
            cursor: None,
            task_version: TASK_VERSION,
            lost: LostCells::default(),
            dead_changed: Notify::new(),
        })
    }

    /// The same on queues that outlive this process: cells that were dispatched before, according to `cursor`, are not sent
    /// again, and unreadable outcomes become dead letters; `by` is this process's name in these.
    #[must_use]
    pub fn on_lasting_queues(self, cursor: Cursor, by: String) -> Self {
        Self { cursor: Some(cursor), on_bad_message: OnBadMessage::DeadLetter { by }, ..self }
    }

    /// The same with tasks of another message version.
    #[must_use]
    pub fn with_task_version(self, task_version: u16) -> Self {
        Self { task_version, ..self }
    }

    /// The same with tasks that name the items of the profile for `rag`.
    #[must_use]
    pub fn retrieving(self, retrieval: Option<Arc<Retrieval>>) -> Self {
        Self { retrieval, ..self }
    }

    /// The same with tasks that bring the replies which earlier runs have kept of their cells.
    #[must_use]
    pub fn reusing(self, kept: Arc<KeptReplies>) -> Self {
        Self { kept, ..self }
    }

    /// The same with cells that begin in their model's cheapest hours alone.
    #[must_use]
    pub fn when(self, off_peak: Option<OffPeak>) -> Self {
        Self { off_peak, ..self }
    }

    /// Whether cells wait for the cheap hours of their model.
    pub fn waits_for_cheap_hours(&self) -> bool {
        self.off_peak.as_ref().is_some_and(OffPeak::is_waited_for)
    }

    /// The same with scores of the finished cells while the run goes on.
    #[must_use]
    pub fn scoring(self, live: LiveScores) -> Self {
        Self { live: Some(live), ..self }
    }

    /// The latest scores of the finished cells; `None` if there are none yet.
    pub fn scores(&self) -> Option<Arc<RunScores>> {
        self.live.as_ref()?.latest()
    }

    /// The cells that are in the ledger.
    pub fn finished_cells(&self) -> Vec<Cell> {
        self.cell_states().all_finished()
    }

    /// The cells of the first respondent: one of each model and fold.
    pub fn cells_of_first_respondent(&self) -> Vec<Cell> {
        let of_model = |model| self.plan.cells_of(model).take(self.plan.folds().len());
        self.plan.models().flat_map(of_model).collect()
    }

    /// The number of cells that were dispatched and are neither finished nor dead.
    pub fn cells_under_way(&self) -> u64 {
        self.cell_states().under_way()
    }

    /// Whether the outcomes of a cell were refused so often that it counts as dead.
    pub(crate) fn is_given_up(&self, cell: Cell) -> bool {
        self.refusals().is_given_up(cell)
    }

    /// Sets the dead cells; cells that were dead before and are not in `dead` are open again. Returns once the ledger has
    /// recorded them.
    ///
    /// # Errors
    /// If the ledger cannot be written.
    ///
    /// # Panics
    /// Never, unless the ledger panics.
    pub async fn set_dead(&self, mut dead: DeadCells) -> Result<(), CoordinatorError> {
        dead.retain(|&cell, _| self.planned.contains(cell));
        self.refusals().only_of(&dead);
        let settled = self.cell_states().set_dead(dead.keys().copied());
        self.free(settled);
        let ledger = Arc::clone(&self.ledger);
        tokio::task::spawn_blocking(move || if ledger.dead()? == dead { Ok(()) } else { ledger.set_dead(&dead) })
            .await
            .expect("writing to the ledger does not panic")?;
        self.dead_changed.notify_one();
        Ok(())
    }

    /// The number of dead cells in the ledger.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    ///
    /// # Panics
    /// Never, unless the ledger panics.
    pub async fn dead_in_ledger(&self) -> Result<u32, CoordinatorError> {
        let ledger = Arc::clone(&self.ledger);
        let dead = tokio::task::spawn_blocking(move || ledger.dead()).await;
        let dead = dead.expect("reading the ledger does not panic")?;
        Ok(u32::try_from(dead.len()).unwrap_or(u32::MAX))
    }

    /// The progress of the run.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Dispatches all open cells and records their outcomes, until no cell is open or `stop` is cancelled. Once no cell is
    /// open, the [scores](Self::scores) are those of all finished cells.
    pub async fn run(&self, stop: &CancellationToken) -> Result<RunEnd, CoordinatorError> {
        let end = self.dispatch_and_receive(stop).await?;
        if let (RunEnd::Finished, Some(live)) = (&end, &self.live) {
            live.finish().await;
        }
        Ok(end)
    }

    async fn dispatch_and_receive(&self, stop: &CancellationToken) -> Result<RunEnd, CoordinatorError> {
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

    /// Frees the slots of cells, and updates the progress.
    fn free(&self, settled: Vec<Cell>) {
        for cell in settled {
            self.windows[usize::from(cell.model.0)].add_permits(1);
        }
        self.progress.show(&self.cell_states());
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell_states(&self) -> MutexGuard<'_, CellStates> {
        self.cell_states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
