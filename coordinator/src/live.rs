//! Scores a run while it goes on: the scores of its finished cells, at most a second old.
//!
//! Whoever writes cells into the ledger tells of them; a thread of its own keeps running sums up to date, and readers get
//! the latest scores ready made. It begins with the cells that the ledger has: a scan, once, beside the run. After that each
//! new cell costs a look at the rows of its person.
//!
//! Memory does not grow with the people, but for a bit for each cell (two while it is new) and a kilobyte for each arm: 0.3 MB for
//! 97,220 people in five folds with two models and six methods. What the baselines predict takes another 3 MB.

mod person;
mod sums;
#[cfg(test)]
mod tests;
mod tracker;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::control::RunScores;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::survey::Survey;

use crate::cell_bitmap::CellBitmap;
use crate::evaluation::{Evaluated, EvaluationError};
use crate::ledger::Ledger;
use crate::plan::Plan;
use tracker::Tracker;

/// How often new cells are scored: a person's cells that finish together are then scored together.
const SCORE_EVERY: Duration = Duration::from_secs(1);

/// How long the end of a run waits for the last scores. They may be late only if the run ends before all cells of a large
/// ledger are scored, which the evaluation then does.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// A run and everything that its scores need.
#[derive(Debug, Clone)]
pub struct ScoredRun {
    /// Which run.
    pub run: RunId,
    /// Its experiment.
    pub experiment: Experiment,
    /// Its cells.
    pub plan: Arc<Plan>,
    /// The truth.
    pub survey: Arc<Survey>,
    /// The questions.
    pub codebook: Arc<Codebook>,
    /// What was predicted.
    pub ledger: Arc<Ledger>,
}

/// The scores of a run that goes on.
pub struct LiveScores {
    board: Arc<Board>,
    scoring: Mutex<Option<JoinHandle<()>>>,
}

/// What the writers of cells, the scoring thread and the readers of scores share.
#[derive(Default)]
struct Board {
    news: Mutex<News>,
    end_changed: Condvar,
    latest: Mutex<Option<Arc<RunScores>>>,
}

/// What the scoring thread does not know yet.
#[derive(Default)]
struct News {
    recorded: CellBitmap,
    end: End,
}

/// Whether scoring is to end.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    NotYet,
    /// Once all recorded cells are scored.
    WhenDone,
    AtOnce,
}

impl LiveScores {
    /// Starts to score the cells that the ledger has, in a thread of the runtime.
    ///
    /// # Panics
    /// When called outside of a runtime.
    pub fn start(run: ScoredRun) -> Self {
        let board = Arc::new(Board::default());
        let scoring = tokio::task::spawn_blocking({
            let board = Arc::clone(&board);
            move || {
                if let Err(error) = keep_scores(&run.evaluated(), &board)
                    && !error.is_interruption()
                {
                    tracing::warn!(run = %run.run, %error, "finished cells cannot be scored while the run goes on");
                }
            }
        });
        Self { board, scoring: Mutex::new(Some(scoring)) }
    }

    /// Tells of cells that are in the ledger.
    pub fn recorded(&self, cells: &[Cell]) {
        self.board.news().recorded.extend(cells.iter().copied());
    }

    /// The latest scores; `None` until the cells that the ledger had at the start are scored, and for a stratified sample.
    pub fn latest(&self) -> Option<Arc<RunScores>> {
        self.board.latest().clone()
    }

    /// Waits until all recorded cells are scored, and ends.
    pub async fn finish(&self) {
        self.board.end(End::WhenDone);
        let scoring = self.scoring.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(scoring) = scoring else { return };
        if timeout(FINISH_WITHIN, scoring).await.is_err() {
            self.board.end(End::AtOnce);
        }
    }
}

impl Drop for LiveScores {
    fn drop(&mut self) {
        self.board.end(End::AtOnce);
    }
}

impl fmt::Debug for LiveScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveScores").field("latest", &self.latest()).finish_non_exhaustive()
    }
}

impl ScoredRun {
    fn evaluated(&self) -> Evaluated<'_> {
        let Self { run, experiment, plan, survey, codebook, ledger } = self;
        Evaluated { run, experiment, plan, survey, codebook, ledger, vectors: None }
    }
}

impl Board {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn latest(&self) -> MutexGuard<'_, Option<Arc<RunScores>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        self.news().end = end;
        self.end_changed.notify_all();
    }

    fn is_to_end_at_once(&self) -> bool {
        self.news().end == End::AtOnce
    }

    /// The next recorded cells, after a second; `None` once there are none and scoring is to end.
    fn next(&self) -> Option<CellBitmap> {
        loop {
            let goes_on = |news: &mut News| news.end == End::NotYet;
            let waited = self.end_changed.wait_timeout_while(self.news(), SCORE_EVERY, goes_on);
            let (mut news, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if news.recorded.len() > 0 {
                return Some(std::mem::take(&mut news.recorded));
            }
            if news.end != End::NotYet {
                return None;
            }
        }
    }
}

/// Scores the cells of the ledger, then those that are recorded, until scoring is to end.
fn keep_scores(of: &Evaluated<'_>, board: &Board) -> Result<(), EvaluationError> {
    // Its estimates need sums for each stratum; those of a plain sample would be wrong.
    if !of.plan.strata().is_empty() {
        return Ok(());
    }
    let is_stopped = || board.is_to_end_at_once();
    let mut tracker = Tracker::new(*of);
    let mut next = Some(finished(of)?);
    while let Some(cells) = next {
        tracker.add(&cells, &is_stopped)?;
        *board.latest() = Some(Arc::new(tracker.scores()));
        next = board.next();
    }
    Ok(())
}

/// The finished cells, by the keys of the ledger.
fn finished(of: &Evaluated<'_>) -> Result<CellBitmap, EvaluationError> {
    let mut finished = CellBitmap::default();
    for cell in of.ledger.finished_keys()? {
        finished.insert(cell?);
    }
    Ok(finished)
}
