//! How fast a run is, when it may be finished, and what it will have cost: ranges, because rates vary.

use valuesim_shared::control::{CellCounts, CoordinatorReport, DesiredState, UnixMillis, WaitReason, WorkerReport};
use valuesim_shared::money::NanoUsd;

use super::conclusion::{Money, Outlook, Range};
use super::found::RunStatus;

/// The period over which coordinators measure [`CoordinatorReport::cells_per_second`], in seconds.
const RATE_OVER_SECONDS: f64 = 300.0;

/// How many standard errors a rate may be off: nineteen of twenty are within.
const STANDARD_ERRORS: f64 = 2.0;

/// A run counts as still once it was without a finished cell for this long, in seconds, and in that time at its rate so many
/// should have finished.
const STILL_AFTER_SECONDS: f64 = 60.0;
const STILL_AFTER_CELLS: f64 = 10.0;

/// How fast a run with these workers is at this time.
pub(super) fn outlook(run: &RunStatus, workers: &[&WorkerReport], now: UnixMillis) -> Outlook {
    let calls_per_second = workers.iter().map(|worker| worker.calls_per_second).sum();
    let Some(coordinator) = run.coordinators.first() else {
        return Outlook { calls_per_second, ..Outlook::default() };
    };
    let is_ordered_to_stop = run.order.as_ref().is_some_and(|order| order.desired != DesiredState::Go);
    let moves = !is_ordered_to_stop && can_be_served(workers) && !is_still(coordinator, now);
    Outlook {
        cells_per_second: Some(coordinator.cells_per_second),
        cells_per_second_last_minute: coordinator.pace.last_minute,
        cells_per_second_hour_ago: coordinator.pace.hour_ago,
        calls_per_second,
        seconds_left: if moves { seconds_left(coordinator) } else { None },
    }
}

/// Whether any worker can get an answer: not if there is none, or if the providers of all do not answer.
fn can_be_served(workers: &[&WorkerReport]) -> bool {
    let gets_none = |worker: &&WorkerReport| {
        let waits = &worker.activity.waits;
        !waits.is_empty() && waits.iter().all(|wait| wait.reason == WaitReason::CircuitOpen)
    };
    !workers.iter().all(gets_none)
}

/// Whether no cell was finished for so long that the rate says nothing any more.
fn is_still(coordinator: &CoordinatorReport, now: UnixMillis) -> bool {
    let last = coordinator.last_finished_at.unwrap_or(coordinator.process.started_at);
    let silence = now.0.saturating_sub(last.0) as f64 / 1_000.0;
    silence > STILL_AFTER_SECONDS && silence * coordinator.cells_per_second > STILL_AFTER_CELLS
}

/// The slowest and the fastest of the known rates, widened by what chance does to a count, give the range.
fn seconds_left(coordinator: &CoordinatorReport) -> Option<Range<f64>> {
    let open = open(coordinator.cells) as f64;
    let rates = [Some(coordinator.cells_per_second), coordinator.pace.last_minute, coordinator.pace.hour_ago];
    let mut rates: Vec<f64> = rates.into_iter().flatten().filter(|rate| *rate > 0.0).collect();
    rates.sort_by(f64::total_cmp);
    let (slowest, fastest) = (*rates.first()?, *rates.last()?);
    let error = |rate: f64| relative_error(rate * RATE_OVER_SECONDS);
    let [low, high] = [fastest * (1.0 + error(fastest)), slowest * (1.0 - error(slowest))].map(|rate| open / rate);
    (open > 0.0 && low.is_finite() && high.is_finite()).then_some(Range { low, high })
}

/// How far a count may be off by chance, as a share of it; never all of it.
fn relative_error(count: f64) -> f64 {
    (STANDARD_ERRORS / count.max(1.0).sqrt()).min(0.9)
}

/// What a run costs.
pub(super) fn money(run: &RunStatus) -> Money {
    let wasted_at_most = run.calls.wasted_at_most;
    let Some((cells, spent, priced)) = spend(run) else { return Money { wasted_at_most, ..Money::default() } };
    let pace = run.coordinators.first().and_then(|coordinator| coordinator.pace.spent_per_hour);
    let per_hour = pace.filter(|_| priced);
    Money { spent, priced, per_hour, at_end: at_end(cells, spent).filter(|_| priced), wasted_at_most }
}

fn spend(run: &RunStatus) -> Option<(CellCounts, NanoUsd, bool)> {
    match (run.coordinators.first(), &run.about) {
        (Some(report), _) => Some((report.cells, report.spent, report.priced)),
        (None, Some(about)) => Some((about.cells, about.spent, about.priced)),
        (None, None) => None,
    }
}

/// The open cells cost what the finished ones did, give or take what chance does to their mean.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an amount of money is not negative")]
fn at_end(cells: CellCounts, spent: NanoUsd) -> Option<Range<NanoUsd>> {
    let (open, finished) = (open(cells) as f64, cells.finished as f64);
    if cells.finished == 0 {
        return None;
    }
    let more = spent.0 as f64 / finished * open;
    let error = more * relative_error(finished);
    let with = |more: f64| spent + NanoUsd(more.max(0.0) as u64);
    Some(Range { low: with(more - error), high: with(more + error) })
}

/// Cells that are neither finished nor dead.
fn open(CellCounts { planned, finished, dead, .. }: CellCounts) -> u64 {
    planned.saturating_sub(finished + dead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use valuesim_shared::control::WaitReport;

    use crate::commands::status::found::Status;
    use crate::commands::status::tests::{coordinator, healthy, pause, seconds_ago, worker};

    #[test]
    fn the_time_left_lies_between_that_of_the_fastest_and_the_slowest_rate() {
        let mut report = coordinator();
        report.cells = CellCounts { planned: 1_300, finished: 200, under_way: 50, dead: 100, at_most: None };
        report.cells_per_second = 2.0;
        let alone = seconds_left(&report).expect("it is known");
        assert!(alone.low < 500.0 && 500.0 < alone.high && alone.high < 600.0, "{alone:?}");
        report.pace.last_minute = Some(0.5);
        let slower = seconds_left(&report).expect("it is known");
        assert!(slower.high > 2_000.0 && (slower.low - alone.low).abs() < 1e-9, "{slower:?}");
        report.cells_per_second = 0.0;
        report.pace.last_minute = Some(0.0);
        assert_eq!(seconds_left(&report), None, "nothing finishes");
    }

    #[test]
    fn work_that_does_not_move_has_no_end() {
        let check = |change: fn(&mut Status), is_known: bool| {
            let mut status = healthy();
            status.runs[0].coordinators[0].last_finished_at = Some(seconds_ago(2));
            change(&mut status);
            let run = &status.runs[0];
            assert_eq!(outlook(run, &status.workers_of(&run.run), status.at).seconds_left.is_some(), is_known);
        };
        check(|_| {}, true);
        check(|status| status.runs[0].order = Some(pause()), false);
        check(|status| status.workers.clear(), false);
        check(|status| status.runs[0].coordinators[0].last_finished_at = Some(seconds_ago(70)), false);
        let slow = |status: &mut Status| {
            let coordinator = &mut status.runs[0].coordinators[0];
            (coordinator.last_finished_at, coordinator.cells_per_second) = (Some(seconds_ago(70)), 0.02);
        };
        check(slow, true);
        let away = |status: &mut Status| {
            let wait = WaitReport { model: "m".to_owned(), reason: WaitReason::CircuitOpen, left_ms: None };
            status.workers.iter_mut().for_each(|worker| worker.activity.waits = vec![wait.clone()]);
        };
        check(away, false);
    }

    #[test]
    fn the_price_at_the_end_is_that_of_the_finished_cells_for_all() {
        let cells = CellCounts { planned: 1_000, finished: 400, under_way: 10, dead: 0, at_most: None };
        let range = at_end(cells, NanoUsd(4_000)).expect("it is known");
        assert!(range.low < NanoUsd(10_000) && NanoUsd(10_000) < range.high && range.low > NanoUsd(9_000), "{range:?}");
        assert_eq!(at_end(CellCounts { finished: 0, ..cells }, NanoUsd(0)), None);
        let all = CellCounts { finished: 1_000, ..cells };
        assert_eq!(at_end(all, NanoUsd(7)), Some(Range { low: NanoUsd(7), high: NanoUsd(7) }));
    }

    #[test]
    fn calls_are_those_of_all_workers() {
        let (one, other) = (worker(1), worker(2));
        let status = healthy();
        assert!((outlook(&status.runs[0], &[&one, &other], status.at).calls_per_second - 62.5).abs() < 1e-9);
    }
}
