//! The days on which a run's calls were made.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// A day in UTC, written as in `2026-11-27`; earlier days are less.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(String);

impl Day {
    /// The day of a moment; the first of January 1970 for all moments before.
    pub fn of(moment: SystemTime) -> Self {
        let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (year, month, day) = civil(seconds / SECONDS_PER_DAY);
        Self(format!("{year:04}-{month:02}-{day:02}"))
    }

    /// A day that was written down.
    pub(crate) fn written(text: String) -> Self {
        Self(text)
    }

    /// The day as text: `2026-11-27`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// When a run's calls were made, by the cells that they finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallDates {
    /// The day on which the first cell was finished.
    pub first: Day,
    /// The day on which the last cell was finished.
    pub last: Day,
}

/// Year, month and day in the Gregorian calendar of the day that is this many days after 1 January 1970.
///
/// The algorithm `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March,
/// so that the leap day is their last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // From 1 March 0000.
    let days = days + 719_468;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(seconds: u64, expected: &str) {
        assert_eq!(Day::of(UNIX_EPOCH + Duration::from_secs(seconds)).as_str(), expected);
    }

    #[test]
    fn a_moment_has_the_day_that_the_calendar_says() {
        check(0, "1970-01-01");
        check(SECONDS_PER_DAY - 1, "1970-01-01");
        check(951_782_399, "2000-02-28");
        check(951_782_400, "2000-02-29");
        check(951_868_800, "2000-03-01");
        check(1_709_164_800, "2024-02-29");
        check(1_735_689_599, "2024-12-31");
        check(1_735_689_600, "2025-01-01");
        check(4_107_542_400, "2100-03-01");
    }

    #[test]
    fn every_day_of_two_centuries_follows_the_one_before() {
        let days = |month, year: u64| match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = (1970, 1, 1);
        for day in 0..80_000 {
            assert_eq!(civil(day), expected);
            let (year, month, of_month) = expected;
            expected = match (month, of_month == days(month, year)) {
                (_, false) => (year, month, of_month + 1),
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
            };
        }
    }
}
