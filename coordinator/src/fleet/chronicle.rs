//! The history of a run while it goes on, and how fast the run is and was by it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::control::{
    CallTotals, Control, FolderControl, History, HistoryPoint, Pace, UnixMillis, WorkerReport,
};
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::telemetry::Rate;

/// How often the history is written: up to 50 kB at a time.
const KEEP_EVERY: Duration = Duration::from_secs(30);

const MINUTE: Duration = Duration::from_mins(1);
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// The history of a run.
#[derive(Debug)]
pub(super) struct Chronicle {
    history: Mutex<History>,
    last_minute: Mutex<Rate>,
    /// When it was written last; `None` if it was not.
    written_at: Mutex<Option<Instant>>,
}

impl Chronicle {
    /// Continues what `control` keeps of the run, which now has `finished` cells.
    pub(super) async fn of(control: &impl Control, run: &RunId, finished: u64) -> Self {
        let history = control.history(run).await.unwrap_or_default().unwrap_or_default();
        let last_minute = Mutex::new(Rate::over(MINUTE, finished));
        Self { history: Mutex::new(history), last_minute, written_at: Mutex::default() }
    }

    /// Continues the copy in the run folder if the store has nothing.
    pub(super) async fn or_kept_in(&self, kept: &FolderControl, run: &RunId) {
        let is_new = self.history().points.is_empty();
        if is_new && let Ok(Some(history)) = kept.history(run).await {
            *self.history() = history;
        }
    }

    /// Adds what is true now, and says how fast the run is.
    pub(super) fn add(&self, point: HistoryPoint) -> Pace {
        let last_minute = lock(&self.last_minute).per_second(point.finished);
        let mut history = self.history();
        history.add(point);
        let before = |milliseconds| UnixMillis(point.at.0.saturating_sub(milliseconds));
        let hour_ago = history.per_second(before(65 * MINUTE_MS), before(55 * MINUTE_MS), |point| point.finished);
        let begun_at = history.points.first().map_or(point.at, |first| first.at);
        let since = begun_at.max(before(HOUR_MS));
        let spent = history.per_second(since, point.at, |point| point.spent.0);
        Pace { last_minute: Some(last_minute), hour_ago, spent_per_hour: spent.map(per_hour) }
    }

    /// Takes in what the workers that are alive have done.
    pub(super) fn see(&self, run: &RunId, workers: &[WorkerReport]) {
        self.history().calls.see(run, workers);
    }

    /// What the calls of all workers came to so far.
    pub(super) fn calls(&self) -> CallTotals {
        self.history().calls.total()
    }

    /// Writes the history to all `places` if that is due.
    pub(super) async fn keep(&self, run: &RunId, control: &impl Control, kept: Option<&FolderControl>) {
        let is_due = lock(&self.written_at).is_none_or(|at| at.elapsed() >= KEEP_EVERY);
        if is_due {
            self.keep_now(run, control, kept).await;
        }
    }

    /// Writes the history.
    pub(super) async fn keep_now(&self, run: &RunId, control: &impl Control, kept: Option<&FolderControl>) {
        *lock(&self.written_at) = Some(Instant::now());
        let history = self.history().clone();
        let mut written = control.keep_history(run, &history).await;
        if let Some(kept) = kept {
            written = written.and(kept.keep_history(run, &history).await);
        }
        if let Err(error) = written {
            tracing::debug!(%run, %error, "could not keep the history of the run");
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of money is not negative")]
fn per_hour(nanos_per_second: f64) -> NanoUsd {
    NanoUsd((nanos_per_second * HOUR_MS as f64 / 1_000.0) as u64)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::MemoryControl;

    use super::*;

    fn run() -> RunId {
        RunId("r".to_owned())
    }

    /// A cell and a dollar every ten seconds, twice as fast after the first hour.
    fn at(minute: u64) -> HistoryPoint {
        let finished = 6 * minute + 6 * minute.saturating_sub(60);
        HistoryPoint { at: UnixMillis(minute * MINUTE_MS), finished, dead: 0, spent: NanoUsd(finished * 1_000_000_000) }
    }

    #[tokio::test]
    async fn a_history_goes_on_where_another_process_left_it() {
        let control = MemoryControl::in_memory();
        let first = Chronicle::of(&control, &run(), 0).await;
        for minute in 0..=70 {
            first.add(at(minute));
        }
        first.keep(&run(), &control, None).await;
        let second = Chronicle::of(&control, &run(), 480).await;
        let pace = second.add(at(120));
        let hour_ago = pace.hour_ago.expect("it is known");
        assert!((0.1..=0.2).contains(&hour_ago), "{pace:?}");
        let dollars = pace.spent_per_hour.expect("it is known").dollars();
        assert!((360.0..800.0).contains(&dollars), "{pace:?}");
        assert_eq!(second.history().points.len(), 72, "71 points of the first process and one of the second");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_written_now_and_then_and_a_lost_one_comes_from_the_run_folder() {
        let (control, folder) = (MemoryControl::in_memory(), tempfile::tempdir().expect("a temporary folder"));
        let kept = FolderControl::in_folder(folder.path().to_owned());
        let chronicle = Chronicle::of(&control, &run(), 0).await;
        chronicle.add(at(0));
        chronicle.keep(&run(), &control, Some(&kept)).await;
        chronicle.add(at(1));
        chronicle.keep(&run(), &control, Some(&kept)).await;
        let points = async || control.history(&run()).await.expect("reads").expect("it is kept").points.len();
        assert_eq!(points().await, 1, "it is not yet due again");
        tokio::time::advance(KEEP_EVERY).await;
        chronicle.keep(&run(), &control, Some(&kept)).await;
        assert_eq!(points().await, 2);
        let again = Chronicle::of(&MemoryControl::in_memory(), &run(), 0).await;
        again.or_kept_in(&kept, &run()).await;
        assert_eq!(again.history().points, [at(0), at(1)]);
    }

    #[tokio::test]
    async fn a_new_run_has_no_past() {
        let chronicle = Chronicle::of(&MemoryControl::in_memory(), &run(), 0).await;
        let pace = chronicle.add(at(0));
        assert_eq!((pace.hour_ago, pace.spent_per_hour), (None, None));
    }
}
