//! How moments and ages are written for people.

use std::time::Duration;

use indicatif::HumanDuration;
use valuesim_shared::control::UnixMillis;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// Days from 0000-03-01 to 1970-01-01 in the Gregorian calendar.
const DAYS_BEFORE_1970: u64 = 719_468;

/// Days of 400 years, after which the Gregorian calendar repeats itself.
const DAYS_OF_AN_ERA: u64 = 146_097;

/// Date and time in UTC, to the second.
pub(crate) fn utc(UnixMillis(at): UnixMillis) -> String {
    let seconds = at / 1_000;
    let (year, month, day) = date(seconds / SECONDS_OF_A_DAY);
    let time = seconds % SECONDS_OF_A_DAY;
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// How long ago `then` was. Clocks of other machines may be ahead: what is to come is now.
pub(crate) fn ago(then: UnixMillis, now: UnixMillis) -> String {
    match now.0.saturating_sub(then.0) {
        0..1_000 => "just now".to_owned(),
        millis => format!("{} ago", HumanDuration(Duration::from_millis(millis))),
    }
}

/// Year, month and day of a day that is counted from 1970-01-01, in the Gregorian calendar. Years begin in March here, so
/// that the leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_OF_AN_ERA, days % DAYS_OF_AN_ERA);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let is_next_year = month_from_march >= 10;
    let month = if is_next_year { month_from_march - 9 } else { month_from_march + 3 };
    (era * 400 + year_of_era + u64::from(is_next_year), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_in_utc() {
        let check = |millis, expected: &str| assert_eq!(utc(UnixMillis(millis)), expected);
        check(0, "1970-01-01 00:00:00 UTC");
        check(951_782_399_999, "2000-02-28 23:59:59 UTC");
        check(951_782_400_000, "2000-02-29 00:00:00 UTC");
        check(4_107_542_400_000, "2100-03-01 00:00:00 UTC");
        check(1_795_492_800_000, "2026-11-24 04:00:00 UTC");
        check(1_798_761_599_000, "2026-12-31 23:59:59 UTC");
    }

    #[test]
    fn ages_are_said_in_one_unit_and_never_lie_ahead() {
        let check = |then, now, expected: &str| assert_eq!(ago(UnixMillis(then), UnixMillis(now)), expected);
        check(5_000, 5_999, "just now");
        check(9_000, 5_000, "just now");
        check(5_000, 17_000, "12 seconds ago");
        check(0, 7_200_000, "2 hours ago");
    }
}
