//! Formats ages and expected times for people.

use std::time::Duration;

use indicatif::HumanDuration;
use valuesim_shared::control::UnixMillis;

/// How long ago `then` was. A time in the future counts as now, because clocks of other machines may be ahead.
pub(crate) fn ago(then: UnixMillis, now: UnixMillis) -> String {
    match now.0.saturating_sub(then.0) {
        0..1_000 => "just now".to_owned(),
        millis => format!("{} ago", HumanDuration(Duration::from_millis(millis))),
    }
}

/// A time that something is expected to take, in one unit.
pub(crate) fn in_time(time: Duration) -> String {
    HumanDuration(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_in_one_unit_and_never_lie_ahead() {
        let check = |then, now, expected: &str| assert_eq!(ago(UnixMillis(then), UnixMillis(now)), expected);
        check(5_000, 5_999, "just now");
        check(9_000, 5_000, "just now");
        check(5_000, 17_000, "12 seconds ago");
        check(0, 7_200_000, "2 hours ago");
    }
}
