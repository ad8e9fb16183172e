//! How a price changes over the hours of a week, for whoever can choose when to call.

use std::time::{Duration, SystemTime};

use super::{Price, PricedCall};
use crate::money::{NanoUsd, Tokens};

const MINUTE: Duration = Duration::from_mins(1);
const MINUTES_OF_A_WEEK: u32 = 7 * 24 * 60;

/// Prices change on the quarter of an hour at the finest: India's and Nepal's clocks are ahead of UTC by such.
const STEP_MINUTES: u32 = 15;
const STEPS_OF_A_WEEK: u32 = MINUTES_OF_A_WEEK / STEP_MINUTES;
const WEEK: Duration = Duration::from_hours(7 * 24);

/// What a call costs in a span of hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverHours {
    /// In the cheapest of them.
    pub cheapest: NanoUsd,
    /// On average over them.
    pub average: NanoUsd,
    /// In the dearest of them.
    pub dearest: NanoUsd,
}

impl Price {
    /// How long to wait from `now` until `tokens` cost no more than they ever do in the week that follows; zero if they do now.
    pub fn until_cheapest(&self, tokens: Tokens, now: SystemTime) -> Duration {
        let cost_in = |minutes: u32| self.cost(tokens, PricedCall::at(now + MINUTE * minutes));
        if self.variants.is_empty() {
            return Duration::ZERO;
        }
        let cheapest = self.week(tokens, now).min().unwrap_or_default();
        (0..MINUTES_OF_A_WEEK).find(|&minutes| cost_in(minutes) <= cheapest).map_or(Duration::ZERO, |it| MINUTE * it)
    }

    /// What `tokens` of one call cost in the hours that a run of this `length` takes from `now` on. A week shows all hours, so that of a
    /// longer run its first week counts.
    pub fn over_hours(&self, tokens: Tokens, now: SystemTime, length: Duration) -> OverHours {
        let steps = length.as_secs().div_ceil(60 * u64::from(STEP_MINUTES)).max(1);
        // A price without conditions is the same at each hour.
        let steps = if self.variants.is_empty() { 1 } else { steps.min(u64::from(STEPS_OF_A_WEEK)) };
        let steps = usize::try_from(steps).unwrap_or(1);
        let costs: Vec<NanoUsd> = self.week(tokens, now).take(steps).collect();
        let sum: u128 = costs.iter().map(|NanoUsd(cost)| u128::from(*cost)).sum();
        OverHours {
            cheapest: costs.iter().copied().min().unwrap_or_default(),
            average: NanoUsd(u64::try_from(sum / steps as u128).unwrap_or(u64::MAX)),
            dearest: costs.iter().copied().max().unwrap_or_default(),
        }
    }

    /// What `tokens` of one call cost in the hours of the week from `now` in which they cost least.
    pub fn in_cheapest_hours(&self, tokens: Tokens, now: SystemTime) -> NanoUsd {
        self.over_hours(tokens, now, WEEK).cheapest
    }

    /// Whether what `tokens` of one call cost depends on the hour, in the week from `now`.
    pub fn depends_on_the_hour(&self, tokens: Tokens, now: SystemTime) -> bool {
        let OverHours { cheapest, dearest, .. } = self.over_hours(tokens, now, WEEK);
        dearest > cheapest
    }

    /// How long it takes from `now` until `needed` of the hours have passed in which `tokens` cost least.
    pub fn until_cheap_hours_passed(&self, tokens: Tokens, now: SystemTime, needed: Duration) -> Duration {
        let cheapest = self.week(tokens, now).min().unwrap_or_default();
        let is_cheap: Vec<bool> = self.week(tokens, now).map(|cost| cost <= cheapest).collect();
        let step = MINUTE * STEP_MINUTES;
        // At least one step of the week is the cheapest.
        let of_week = u64::try_from(is_cheap.iter().filter(|is_cheap| **is_cheap).count()).unwrap_or(1).max(1);
        let steps = needed.as_secs().div_ceil(step.as_secs());
        let (weeks, mut left) = (steps / of_week, steps % of_week);
        let taken = is_cheap.iter().take_while(|is_cheap| {
            let goes_on = left > 0;
            left -= u64::from(goes_on && **is_cheap);
            goes_on
        });
        let last_week = taken.count() as u64;
        let all = weeks.saturating_mul(is_cheap.len() as u64).saturating_add(last_week);
        let not_needed = steps.saturating_mul(step.as_secs()).saturating_sub(needed.as_secs());
        Duration::from_secs(all.saturating_mul(step.as_secs()).saturating_sub(not_needed))
    }

    fn week(&self, tokens: Tokens, now: SystemTime) -> impl Iterator<Item = NanoUsd> + '_ {
        let steps = (0..STEPS_OF_A_WEEK).map(|step| MINUTE * (step * STEP_MINUTES));
        steps.map(move |from_now| self.cost(tokens, PricedCall::at(now + from_now)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const TOKENS: Tokens = Tokens { input: 1_000_000, cached: 0, cache_write: 0, output: 0, reasoning: 0 };

    /// A Monday, 00:00 UTC.
    const MONDAY: u64 = 4 * 86_400;

    fn at(hours: u64, minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(MONDAY + hours * 3_600 + minutes * 60)
    }

    /// Twice the price on weekdays from 09:00 to 12:00 of Beijing, which is 01:00 to 04:00 UTC.
    fn dear_in_the_morning() -> Price {
        let text = r#"
            input_usd_per_million = 1.0
            output_usd_per_million = 2.0
            [[variants]]
            days = ["mon", "tue", "wed", "thu", "fri"]
            hours = ["09:00-12:00"]
            utc_offset = "+08:00"
            input_usd_per_million = 2.0
            output_usd_per_million = 4.0
        "#;
        toml::from_str(text).expect("a price")
    }

    #[test]
    fn one_waits_for_the_end_of_the_dear_hours_and_no_longer() {
        let price = dear_in_the_morning();
        let minutes = |from| price.until_cheapest(TOKENS, from).as_secs() / 60;
        assert_eq!(minutes(at(0, 59)), 0);
        assert_eq!(minutes(at(1, 0)), 180);
        assert_eq!(minutes(at(3, 50)), 10);
        assert_eq!(minutes(at(4, 0)), 0);
        assert_eq!(minutes(at(5 * 24 + 2, 0)), 0, "Saturday");
    }

    #[test]
    fn a_run_costs_the_average_of_the_hours_in_which_it_takes_place() {
        let price = dear_in_the_morning();
        let costs = |from, hours| {
            let OverHours { cheapest, average, dearest } = price.over_hours(TOKENS, from, Duration::from_hours(hours));
            [cheapest, average, dearest].map(|NanoUsd(cost)| cost / 1_000_000)
        };
        assert_eq!(costs(at(0, 0), 1), [1_000, 1_000, 1_000]);
        assert_eq!(costs(at(1, 0), 0), [2_000, 2_000, 2_000], "the present hour");
        assert_eq!(costs(at(0, 0), 2), [1_000, 1_500, 2_000]);
        // 15 of the 168 hours are twice as dear.
        assert_eq!(costs(at(0, 0), 168), [1_000, 1_000 + 1_000 * 15 / 168, 2_000]);
        assert_eq!(costs(at(0, 0), 1_000), costs(at(0, 0), 168), "every week is like the first");
        assert_eq!(costs(at(5 * 24, 0), 48), [1_000, 1_000, 1_000], "a weekend");
        assert_eq!(price.in_cheapest_hours(TOKENS, at(1, 0)), NanoUsd(1_000_000_000));
    }

    #[test]
    fn only_a_price_with_hours_depends_on_them() {
        assert!(dear_in_the_morning().depends_on_the_hour(TOKENS, at(0, 0)));
        assert!(!Price::flat(1.0, None, 2.0).depends_on_the_hour(TOKENS, at(0, 0)));
    }

    #[test]
    fn work_ends_when_enough_cheap_hours_have_passed() {
        let price = dear_in_the_morning();
        let hours = |from, needed| price.until_cheap_hours_passed(TOKENS, from, Duration::from_hours(needed));
        assert_eq!(hours(at(4, 0), 5), Duration::from_hours(5));
        assert_eq!(hours(at(0, 0), 5), Duration::from_hours(8), "three dear hours lie between");
        assert_eq!(hours(at(1, 0), 0), Duration::ZERO);
        let minutes = Duration::from_mins(18);
        assert_eq!(price.until_cheap_hours_passed(TOKENS, at(4, 0), minutes), minutes);
        // 153 of the 168 hours of a week are cheap.
        assert_eq!(hours(at(4, 0), 153 * 3 + 1), Duration::from_hours(168 * 3 + 1));
        let never_changes = Price::flat(1.0, None, 2.0);
        let seven = Duration::from_hours(7);
        assert_eq!(never_changes.until_cheap_hours_passed(TOKENS, at(1, 0), seven), seven);
        assert!(price.until_cheap_hours_passed(TOKENS, at(0, 0), Duration::MAX) > Duration::from_hours(1_000_000));
    }

    #[test]
    fn nobody_waits_where_the_price_never_changes() {
        assert_eq!(Price::flat(1.0, None, 2.0).until_cheapest(TOKENS, at(1, 0)), Duration::ZERO);
    }
}
