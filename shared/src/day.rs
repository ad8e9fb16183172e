//! Days of the Gregorian calendar.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Seconds of a day.
pub(crate) const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// A day, as the number of days after 1 January 1970; earlier days are less. Written as in `2026-11-27`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

/// A text that is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day: expected year, month and day, such as 2026-11-27")]
pub struct NoDay(String);

impl Day {
    /// The day of a moment in UTC; the first of January 1970 for all moments before.
    pub fn of(moment: SystemTime) -> Self {
        let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self(u32::try_from(seconds / SECONDS_PER_DAY).unwrap_or(u32::MAX))
    }

    /// Days after Monday.
    pub const fn after_monday(self) -> u8 {
        // 1 January 1970 was a Thursday.
        ((self.0 + 3) % 7) as u8
    }

    /// Year, month and day.
    ///
    /// The algorithm `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March,
    /// so that the leap day is their last.
    pub const fn civil(self) -> (u64, u64, u64) {
        const DAYS_OF_400_YEARS: u64 = 146_097;
        // From 1 March 0000.
        let days = self.0 as u64 + 719_468;
        let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        (era * 400 + year_of_era + (month <= 2) as u64, month, day)
    }

    /// The day of a year, month and day; none before 1970. The algorithm `days_from_civil` of the same source.
    fn from_civil(year: u64, month: u64, day: u64) -> Option<Self> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
            return None;
        }
        let year = year - u64::from(month <= 2);
        let (era, year_of_era) = (year / 400, year % 400);
        let month_from_march = (month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
        u32::try_from(days).ok().map(Self)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<u64>().ok());
        let mut part = || parts.next().flatten();
        let day = part().zip(part()).zip(part()).and_then(|((year, month), day)| Self::from_civil(year, month, day));
        // The thirtieth of February is another day.
        day.filter(|day| day.to_string() == text).ok_or_else(|| NoDay(text.to_owned()))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(seconds: u64, expected: &str) {
        assert_eq!(Day::of(UNIX_EPOCH + Duration::from_secs(seconds)).to_string(), expected);
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
    fn every_day_of_two_centuries_follows_the_one_before_and_is_read_back() {
        let days = |month, year: u64| match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = (1970, 1, 1);
        for number in 0..80_000 {
            let day = Day(number);
            assert_eq!(day.civil(), expected);
            assert_eq!(day.to_string().parse(), Ok(day));
            let (year, month, of_month) = expected;
            expected = match (month, of_month == days(month, year)) {
                (_, false) => (year, month, of_month + 1),
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
            };
        }
    }

    #[test]
    fn a_text_that_is_no_day_is_refused() {
        for text in ["2026-02-30", "2026-13-01", "2026-1-1", "1969-12-31", "today", "", "2026-11-27T00"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        let friday: Day = "2026-11-27".parse().expect("a day");
        assert_eq!(friday.after_monday(), 4);
    }
}
