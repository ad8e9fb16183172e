//! What a pilot expects a whole run to cost, and when the run has left that.

use serde::{Deserialize, Serialize};

use crate::money::NanoUsd;

/// An interval for the cost of a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// The lower end.
    pub low: NanoUsd,
    /// The upper end.
    pub high: NanoUsd,
    /// Whether the run has left it, and was paused for that: it is not paused again.
    pub is_left: bool,
    /// How many of the run's cells cost nothing, because they were taken over from earlier runs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken_over: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The error of a projection from so many cells, as a share of it, whose cost differs by as much as its mean: two standard errors.
fn error(finished: u64) -> f64 {
    2.0 / (finished.max(1) as f64).sqrt()
}

impl Forecast {
    /// Why the run has left the interval, if it has: it has cost more already, or what its finished cells cost leads outside by more
    /// than chance may.
    pub fn left_by(&self, spent: NanoUsd, finished: u64, planned: u64) -> Option<String> {
        let Self { low, high, taken_over, .. } = self;
        let (finished, planned) = (finished.saturating_sub(*taken_over), planned.saturating_sub(*taken_over));
        if finished == 0 || planned == 0 {
            return None;
        }
        if spent > *high {
            return Some(format!("the run has cost {spent}, and its pilot expected {low} to {high} for all of it"));
        }
        let projected = spent.dollars() / finished as f64 * planned as f64;
        let is_above = projected * (1.0 - error(finished)) > high.dollars();
        let is_below = projected * (1.0 + error(finished)) < low.dollars();
        (is_above || is_below).then(|| {
            format!(
                "at this rate the run will cost ${projected:.2}, and its pilot expected {low} to {high} for all of it"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_leaves_its_interval_when_it_has_cost_more_or_surely_will() {
        let dollars = |amount: u64| NanoUsd(amount * 1_000_000_000);
        let forecast = Forecast { low: dollars(90), high: dollars(110), is_left: false, taken_over: 0 };
        let left = |spent, finished| forecast.left_by(dollars(spent), finished, 1_000);
        assert_eq!(left(0, 0), None);
        assert_eq!(left(50, 500), None);
        assert!(left(111, 900).is_some_and(|why| why.starts_with("the run has cost $111.00")));
        assert_eq!(left(3, 16), None, "sixteen cells may be dear by chance");
        assert!(left(100, 400).is_some_and(|why| why.contains("will cost $250.00")));
        assert!(left(20, 400).is_some_and(|why| why.contains("will cost $50.00")));
    }

    #[test]
    fn cells_that_were_taken_over_do_not_make_a_run_look_cheap() {
        let dollars = |amount: u64| NanoUsd(amount * 1_000_000_000);
        let paid = Forecast { low: dollars(90), high: dollars(110), is_left: false, taken_over: 0 };
        let grown = Forecast { taken_over: 1_000, ..paid };
        assert!(paid.left_by(dollars(40), 1_400, 2_000).is_some());
        assert_eq!(grown.left_by(dollars(40), 1_400, 2_000), None);
        assert_eq!(grown.left_by(dollars(0), 1_000, 2_000), None);
    }
}
