//! How far a run was at points in time since it began: a bounded series that outlives processes.

use serde::{Deserialize, Serialize};

use super::{CONTROL_VERSION, CallsByWorker, UnixMillis};
use crate::money::NanoUsd;

/// The most points of a history. When there are more, every second one is dropped.
pub const MAX_POINTS: usize = 1_440;

/// The time between points of a new history, in milliseconds.
const FIRST_STEP_MS: u64 = 10_000;

/// How far a run was, at points in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// [`CONTROL_VERSION`] of the writer.
    pub version: u16,
    /// The shortest time between two points, in milliseconds; doubled whenever points are dropped.
    pub step_ms: u64,
    /// In order of time. A gap is a time in which no coordinator was alive.
    pub points: Vec<HistoryPoint>,
    /// What its workers did, for the next coordinator.
    #[serde(default, skip_serializing_if = "CallsByWorker::is_nothing")]
    pub calls: CallsByWorker,
}

/// How far a run was at one moment. Written as an array, in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64, u64)", into = "(u64, u64, u64, u64)")]
pub struct HistoryPoint {
    /// The moment.
    pub at: UnixMillis,
    /// Cells in the ledger.
    pub finished: u64,
    /// Dead cells.
    pub dead: u64,
    /// What the run had cost.
    pub spent: NanoUsd,
}

impl From<(u64, u64, u64, u64)> for HistoryPoint {
    fn from((at, finished, dead, spent): (u64, u64, u64, u64)) -> Self {
        Self { at: UnixMillis(at), finished, dead, spent: NanoUsd(spent) }
    }
}

impl From<HistoryPoint> for (u64, u64, u64, u64) {
    fn from(HistoryPoint { at, finished, dead, spent }: HistoryPoint) -> Self {
        (at.0, finished, dead, spent.0)
    }
}

impl Default for History {
    fn default() -> Self {
        Self { version: CONTROL_VERSION, step_ms: FIRST_STEP_MS, points: Vec::new(), calls: CallsByWorker::default() }
    }
}

impl History {
    /// Adds a point if the last one is a step old. Returns whether it did. A clock that was set back adds no points until it
    /// has caught up, so that times never decrease.
    pub fn add(&mut self, point: HistoryPoint) -> bool {
        let is_due = self.points.last().is_none_or(|last| point.at.0 >= last.at.0.saturating_add(self.step_ms));
        if is_due {
            self.points.push(point);
            if self.points.len() > MAX_POINTS {
                self.thin_out();
            }
        }
        is_due
    }

    /// Keeps the first point and every second one after it.
    fn thin_out(&mut self) {
        let mut place = 0;
        self.points.retain(|_| {
            place += 1;
            place % 2 == 1
        });
        self.step_ms = self.step_ms.saturating_mul(2);
    }

    /// The growth per second of what `of` reads, between the points next to two moments; `None` if there are no two points
    /// there.
    pub fn per_second(&self, from: UnixMillis, to: UnixMillis, of: impl Fn(&HistoryPoint) -> u64) -> Option<f64> {
        let first = self.points[..self.points.partition_point(|point| point.at <= from)].last()?;
        let last = self.points[..self.points.partition_point(|point| point.at <= to)].last()?;
        let milliseconds = last.at.0.checked_sub(first.at.0).filter(|passed| *passed > 0)?;
        Some(of(last).saturating_sub(of(first)) as f64 * 1_000.0 / milliseconds as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> HistoryPoint {
        HistoryPoint { at: UnixMillis(second * 1_000), finished: 2 * second, dead: 0, spent: NanoUsd(second) }
    }

    #[test]
    fn a_history_begins_with_the_run_and_stays_bounded() {
        let mut history = History::default();
        for second in 0..100_000 {
            history.add(at(second));
            assert!(history.points.len() <= MAX_POINTS);
        }
        assert_eq!(history.points[0], at(0));
        assert!(history.points.len() > MAX_POINTS / 2 && history.points.is_sorted_by_key(|point| point.at));
        let age = 99_999 - history.points.last().expect("it has some").at.0 / 1_000;
        assert!(age * 1_000 < history.step_ms, "the last point is {age} s old");
    }

    #[test]
    fn a_clock_that_was_set_back_adds_nothing() {
        let mut history = History::default();
        assert!(history.add(at(100)) && !history.add(at(50)) && !history.add(at(105)) && history.add(at(110)));
        assert_eq!(history.points, [at(100), at(110)]);
    }

    #[test]
    fn a_rate_is_that_between_two_moments() {
        let mut history = History::default();
        (0..=100).step_by(10).for_each(|second| _ = history.add(at(second)));
        let rate = |from: u64, to: u64| {
            history.per_second(UnixMillis(from * 1_000), UnixMillis(to * 1_000), |point| point.finished)
        };
        assert_eq!(rate(0, 100), Some(2.0));
        assert_eq!(rate(15, 37), Some(2.0));
        assert_eq!(rate(41, 49), None, "there is only one point");
        assert_eq!(History::default().per_second(UnixMillis(0), UnixMillis(9), |point| point.finished), None);
    }

    #[test]
    fn a_history_is_written_to_the_letter_and_read_again() {
        let history = History { points: vec![at(1), at(20)], ..History::default() };
        let json = r#"{"version":1,"step_ms":10000,"points":[[1000,2,0,1],[20000,40,0,20]]}"#;
        assert_eq!(serde_json::to_string(&history).expect("writes"), json);
        assert_eq!(serde_json::from_str::<History>(json).expect("reads"), history);
    }
}
