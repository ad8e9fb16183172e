//! The dearest rates of a span of days, for whoever knows on which days calls were or will be made but not at which hours.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::condition::MINUTES_PER_DAY;
use super::{Price, PricedCall, Rates};
use crate::day::{Day, SECONDS_PER_DAY};

impl Price {
    /// For each kind of token, the dearest rate at the standard service tier for a prompt of this size, at any hour of so many
    /// days from `first` on, in UTC.
    pub fn dearest_rates(&self, input_tokens: u64, first: Day, days: u32) -> Rates {
        let minutes = self.minutes_of_change();
        let moments = (0..days.max(1)).flat_map(|after| {
            let day = Day(first.0.saturating_add(after));
            minutes.iter().map(move |&minute| moment(day, minute))
        });
        let rates = moments.map(|moment| self.rates(input_tokens, PricedCall::at(moment)));
        rates.reduce(Rates::dearer).unwrap_or_else(|| self.base())
    }

    /// The minutes after midnight in UTC at which rates may change; midnight among them.
    fn minutes_of_change(&self) -> BTreeSet<u16> {
        let of_variants = self.variants.iter().flat_map(|variant| {
            let on_the_clock = variant.hours.iter().flat_map(|hours| [hours.from.minutes(), hours.until.minutes()]);
            let midnight = [0].into_iter().filter(|_| variant.depends_on_time());
            on_the_clock.chain(midnight).map(|minute| variant.utc_offset.in_utc(minute))
        });
        of_variants.chain([0]).collect()
    }
}

fn moment(day: Day, minute: u16) -> SystemTime {
    debug_assert!(minute < MINUTES_PER_DAY, "a minute of a day");
    UNIX_EPOCH + Duration::from_secs(u64::from(day.0) * SECONDS_PER_DAY + u64::from(minute) * 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::price::Variant;

    /// 0.1 until the middle of August, 0.2 then, 0.4 in the mornings of Beijing's weekdays from then on, 0.05 from 2027 on.
    const DATED: &str = r#"
        input_usd_per_million = 0.1
        output_usd_per_million = 1.0
        [[variants]]
        since = "2026-08-17"
        input_usd_per_million = 0.2
        output_usd_per_million = 1.0
        [[variants]]
        since = "2026-08-17"
        days = ["mon", "tue", "wed", "thu", "fri"]
        hours = ["09:00-12:00"]
        utc_offset = "+08:00"
        input_usd_per_million = 0.4
        output_usd_per_million = 1.0
        [[variants]]
        since = "2027-01-01"
        input_usd_per_million = 0.05
        output_usd_per_million = 1.0
        [[variants]]
        service_tier = "priority"
        input_usd_per_million = 9.0
        output_usd_per_million = 9.0
    "#;

    fn price(text: &str) -> Price {
        toml::from_str(text).expect("a price")
    }

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    #[test]
    fn prices_of_other_days_do_not_count_and_dear_hours_of_these_days_do() {
        let dearest = |first, days| price(DATED).dearest_rates(10, day(first), days).input;
        assert_eq!(dearest("2026-08-10", 1), 100_000);
        assert_eq!(dearest("2026-08-16", 1), 100_000, "a Sunday");
        assert_eq!(dearest("2026-08-17", 1), 400_000);
        assert_eq!(dearest("2026-08-22", 1), 200_000, "a Saturday");
        assert_eq!(dearest("2026-08-22", 7), 400_000);
        assert_eq!(dearest("2026-12-31", 2), 400_000);
        assert_eq!(dearest("2027-01-01", 7), 50_000);
    }

    proptest! {
        #[test]
        fn no_minute_of_the_days_is_dearer_and_one_is_as_dear(
            spans in prop::collection::vec((0u16..1440, 0u16..=1440, -720i16..=840, 1u32..9), 0..4), first in 20_000u32..20_400,
        ) {
            let two = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let variants = spans.iter().map(|&(from, until, offset, usd)| {
                let sign = if offset < 0 { '-' } else { '+' };
                Variant {
                    hours: vec![format!("{}-{}", two(from), two(until)).parse().expect("hours")],
                    utc_offset: format!("{sign}{}", two(offset.unsigned_abs())).parse().expect("an offset"),
                    ..Variant::flat(f64::from(usd), 1.0)
                }
            });
            let price = Price { variants: variants.collect(), ..Price::flat(3.0, None, 1.0) };
            let of_day = (0..MINUTES_PER_DAY).map(|minute| price.rates(1, PricedCall::at(moment(Day(first), minute))).input);
            prop_assert_eq!(price.dearest_rates(1, Day(first), 1).input, of_day.max().expect("a day has minutes"));
        }
    }
}
