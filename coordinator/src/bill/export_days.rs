//! The days of a provider's export, beside those on which a run finished its cells.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use valuesim_shared::day::Day;

/// Days in UTC, from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Period {
    /// The first day.
    pub first: Day,
    /// The last day.
    pub last: Day,
}

/// Which days were compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ComparedDays {
    /// Those on which the run finished cells.
    pub of_run: Vec<Period>,
    /// Whether the run's ledger has cells without a day; then everything in the export was taken.
    pub run_has_unknown: bool,
    /// Those taken from the export.
    pub taken: Vec<Period>,
    /// Those of the export on which the run finished no cell.
    pub left_out: Vec<Period>,
    /// Periods of the export that have days of the run and others, and cannot be divided.
    pub wider: Vec<Period>,
    /// Days of the run of which the export has nothing.
    pub missing: Vec<Period>,
    /// Whether the export has usage without a day, all of which was taken.
    pub export_has_unknown: bool,
}

impl Period {
    /// One day.
    pub const fn day(day: Day) -> Self {
        Self { first: day, last: day }
    }

    /// The days from a moment until, and without, another, in seconds after the beginning of 1970.
    pub(super) fn of_seconds(from: u64, until: Option<u64>) -> Self {
        let day = |seconds: u64| Day::of(UNIX_EPOCH + Duration::from_secs(seconds.min(u64::from(u32::MAX) * 86_400)));
        let last = until.map_or(from, |until| until.saturating_sub(1).max(from));
        Self { first: day(from), last: day(last) }
    }

    /// The day of a text: a day, a moment in UTC that begins with one, or seconds after the beginning of 1970.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse() {
            return Some(Self::of_seconds(seconds, None));
        }
        let (day, time) = text.split_at_checked(10)?;
        // A moment on another clock than UTC may be on another day.
        let is_utc = !time.contains('+') && !time.contains('-') || time.ends_with("+00:00") || time.ends_with("+0000");
        let is_moment = time.is_empty() || time.starts_with(['T', ' ']);
        (is_utc && is_moment).then(|| day.parse().ok().map(Self::day)).flatten()
    }

    fn has(self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }

    fn days(self) -> u64 {
        u64::from(self.last.0 - self.first.0) + 1
    }
}

impl ComparedDays {
    /// The days of a run; none where a cell's day is unknown.
    pub(super) fn of_run(days: impl Iterator<Item = Option<Day>>) -> Self {
        let mut found = Self::default();
        for day in days {
            match day {
                Some(day) => found.of_run.push(Period::day(day)),
                None => found.run_has_unknown = true,
            }
        }
        found.missing.clone_from(&found.of_run);
        found.of_run = merged(&found.of_run);
        found
    }

    /// Whether usage of this period is taken; notes where it belongs.
    pub(super) fn takes(&mut self, period: Option<Period>) -> bool {
        let Some(period) = period else {
            self.export_has_unknown = true;
            return true;
        };
        let of_run = self.of_run.iter().map(|run| {
            let (first, last) = (run.first.max(period.first), run.last.min(period.last));
            if first > last { 0 } else { Period { first, last }.days() }
        });
        let days_of_run: u64 = of_run.sum();
        if days_of_run == 0 && !self.run_has_unknown {
            self.left_out.push(period);
            return false;
        }
        self.taken.push(period);
        if days_of_run < period.days() && !self.run_has_unknown {
            self.wider.push(period);
        }
        true
    }

    /// These, with neighbouring days as one period.
    pub(super) fn tidied(mut self) -> Self {
        let taken = merged(&self.taken);
        self.missing.retain(|run| !self.export_has_unknown && !taken.iter().any(|period| period.has(run.first)));
        Self {
            missing: merged(&self.missing),
            left_out: merged(&self.left_out),
            wider: merged(&self.wider),
            taken,
            ..self
        }
    }

    /// Whether the export has the day before one of the run's, which was left out.
    fn ends_at_midnight(&self) -> bool {
        let day_before = |run: &Period| Day(run.first.0.saturating_sub(1));
        self.of_run.iter().any(|run| self.left_out.iter().any(|period| period.has(day_before(run))))
    }

    /// A line for each thing that a reader should know.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("days on which the run finished cells, in UTC: {}", named(&self.of_run))];
        lines.push(format!("days taken from the export: {}", named(&self.taken)));
        let mut say = |periods: &[Period], text: &str| {
            if !periods.is_empty() {
                lines.push(text.replace("{}", &named(periods)));
            }
        };
        say(&self.left_out, "days of the export that were left out: {}");
        say(&self.missing, "warning: the export has nothing of {}");
        say(&self.wider, "warning: the export has {} as a whole, so other days than the run's are in the comparison");
        if self.ends_at_midnight() {
            lines.push(
                "calls before midnight of cells that were finished after it may be among what was left out".to_owned(),
            );
        }
        if self.export_has_unknown {
            lines.push("warning: the export has usage without a day, and all of that was compared".to_owned());
        }
        if self.run_has_unknown {
            lines.push("warning: the day of some cells is unknown, so the whole export was compared".to_owned());
        }
        lines
    }
}

/// Periods in their order, neighbours as one.
fn merged(periods: &[Period]) -> Vec<Period> {
    let mut sorted = periods.to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<Period> = Vec::new();
    for period in sorted {
        match merged.last_mut() {
            Some(before) if period.first.0 <= before.last.0.saturating_add(1) => {
                before.last = before.last.max(period.last);
            }
            _ => merged.push(period),
        }
    }
    merged
}

fn named(periods: &[Period]) -> String {
    if periods.is_empty() {
        return "none".to_owned();
    }
    let name = |Period { first, last }: &Period| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    periods.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    #[test]
    fn a_moment_has_its_day_in_utc_or_none() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Period::of_text(text), expected.map(|text| Period::day(day(text))), "{text}");
        };
        for text in
            ["2026-11-27", "2026-11-27T23:59:59Z", "2026-11-27 10:00", "2026-11-27T10:00:00+00:00", "1795737600"]
        {
            check(text, Some("2026-11-27"));
        }
        for text in ["", "November", "2026-11-27T23:00:00-05:00", "2026-11-27T23:00:00+01:00", "2026-11-271"] {
            check(text, None);
        }
    }

    #[test]
    fn a_bucket_ends_before_the_midnight_at_which_the_next_begins() {
        let of = |from, until| Period::of_seconds(from, until);
        assert_eq!(of(0, Some(86_400)), Period::day(Day(0)));
        assert_eq!(of(0, Some(86_401)), Period { first: Day(0), last: Day(1) });
        assert_eq!(of(5, Some(0)), Period::day(Day(0)), "a bucket that ends before it begins");
        assert_eq!(of(u64::MAX, None), Period::day(Day(u32::MAX)));
    }

    #[test]
    fn only_days_of_the_run_are_taken_and_what_differs_is_said() {
        let mut days = ComparedDays::of_run([Some(Day(10)), Some(Day(11)), Some(Day(20))].into_iter());
        let mut takes = |first, last| days.takes(Some(Period { first: Day(first), last: Day(last) }));
        assert!(takes(10, 10) && takes(11, 11) && !takes(9, 9) && !takes(12, 19) && takes(11, 12));
        let days = days.tidied();
        assert_eq!(days.missing, [Period::day(Day(20))]);
        let lines = days.lines().join("\n");
        insta::assert_snapshot!(lines, @r#"
        days on which the run finished cells, in UTC: 1970-01-11 to 1970-01-12, 1970-01-21
        days taken from the export: 1970-01-11 to 1970-01-13
        days of the export that were left out: 1970-01-10, 1970-01-13 to 1970-01-20
        warning: the export has nothing of 1970-01-21
        warning: the export has 1970-01-12 to 1970-01-13 as a whole, so other days than the run's are in the comparison
        calls before midnight of cells that were finished after it may be among what was left out
        "#);
    }

    #[test]
    fn everything_is_taken_where_days_are_unknown() {
        let mut run = ComparedDays::of_run([None, Some(Day(10))].into_iter());
        assert!(run.takes(Some(Period::day(Day(3)))));
        assert!(run.tidied().lines().concat().contains("the whole export was compared"));
        let mut export = ComparedDays::of_run([Some(Day(10))].into_iter());
        assert!(export.takes(None));
        let export = export.tidied();
        assert!(export.missing.is_empty() && export.lines().concat().contains("usage without a day"));
    }
}
