//! Makes the interval of a mean: Student's t, or a bounded one where that fails.

use super::interval::{Bounds, Interval, IntervalKind, NoInterval, Uncertainty};
use super::normal::normal_quantile;
use super::student_t::t_quantile;

/// A mean, and what is known about its precision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// The mean.
    pub(super) mean: f64,
    /// Its standard error, already corrected for a finite population; `None` if there is one person.
    pub(super) standard_error: Option<f64>,
    /// Degrees of freedom.
    pub(super) degrees: f64,
    /// Whether everyone was asked.
    pub(super) is_census: bool,
    /// Whether each person's value is 0 or 1, a no or a yes.
    pub(super) is_binary: bool,
    /// As how many independent yes or no of an unlimited population the sample counts.
    pub(super) effective_people: f64,
}

impl Evidence {
    /// The interval that misses the population's mean in a share of `alpha` of all samples.
    ///
    /// Wilson's where each person gave one yes or no, and where all values lie on a bound: few yes make the t interval cover
    /// too seldom, 91.7 % where 6 % of 500 people say it. Else the t interval; that of the logit where the former would leave the
    /// bounds; none if all values are the same.
    pub(super) fn uncertainty(&self, bounds: Bounds, alpha: f64) -> Uncertainty {
        let Some(standard_error) = self.standard_error.filter(|_| !self.is_census) else {
            let reason = if self.is_census { NoInterval::EveryoneWasAsked } else { NoInterval::OnePerson };
            return Uncertainty::NoInterval(reason);
        };
        let is_on_a_bound = self.mean <= bounds.lower || self.mean >= bounds.upper;
        let is_yes_or_no = self.is_binary && bounds == Bounds::SHARE;
        if is_on_a_bound || is_yes_or_no {
            return Uncertainty::Interval(wilson(self.mean, self.effective_people, bounds, alpha));
        }
        if standard_error == 0.0 {
            return Uncertainty::NoInterval(NoInterval::AllTheSame);
        }
        let margin = t_quantile(alpha / 2.0, self.degrees) * standard_error;
        let plain = Interval { lower: self.mean - margin, upper: self.mean + margin, kind: IntervalKind::StudentT };
        let stays_inside = bounds.contain(plain.lower) && bounds.contain(plain.upper);
        Uncertainty::Interval(if stays_inside { plain } else { logit(self.mean, margin, bounds) })
    }
}

/// The score interval of a share (Wilson 1927, JASA 22), for as many people of an unlimited population as the sample is
/// worth.
fn wilson(mean: f64, people: f64, bounds: Bounds, alpha: f64) -> Interval {
    let z = normal_quantile(alpha / 2.0);
    let (share, square) = (bounds.share(mean).clamp(0.0, 1.0), z * z);
    let centre = (share + square / (2.0 * people)) / (1.0 + square / people);
    let spread = (share * (1.0 - share) / people + square / (4.0 * people * people)).sqrt();
    let margin = z * spread / (1.0 + square / people);
    let lower = if share <= 0.0 { 0.0 } else { centre - margin };
    let upper = if share >= 1.0 { 1.0 } else { centre + margin };
    Interval { lower: bounds.value(lower), upper: bounds.value(upper), kind: IntervalKind::Wilson }
}

/// The interval of ln(p / (1 - p)), whose standard error is that of p over p (1 - p) by the delta method, carried back;
/// `xlogit` of `svyciprop` in R's `survey`. `margin` is that of the plain interval.
fn logit(mean: f64, margin: f64, bounds: Bounds) -> Interval {
    let share = bounds.share(mean);
    let centre = (share / (1.0 - share)).ln();
    let margin = margin / bounds.width() / (share * (1.0 - share));
    let back = |logit: f64| bounds.value(1.0 / (1.0 + (-logit).exp()));
    Interval { lower: back(centre - margin), upper: back(centre + margin), kind: IntervalKind::Logit }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn people(mean: f64, standard_error: f64, people: f64) -> Evidence {
        Evidence {
            mean,
            standard_error: Some(standard_error),
            degrees: people - 1.0,
            is_census: false,
            is_binary: false,
            effective_people: people,
        }
    }

    #[test]
    fn all_wrong_on_one_question_is_not_certain() {
        // statsmodels 0.15.0: proportion_confint(0, 12, method="wilson")
        let found = people(0.0, 0.0, 12.0).uncertainty(Bounds::SHARE, 0.05).interval().expect("an interval");
        assert_eq!((found.lower, found.kind), (0.0, IntervalKind::Wilson));
        assert!((found.upper - 0.242_494_006_655_240_96).abs() < 1e-14, "{found:?}");
    }

    #[test]
    fn two_people_tell_little_but_nothing_impossible() {
        let found = people(0.3, 2.695 / 12.706, 2.0).uncertainty(Bounds::SHARE, 0.05).interval().expect("an interval");
        assert_eq!(found.kind, IntervalKind::Logit);
        assert!(0.0 < found.lower && found.lower < 0.01 && 0.99 < found.upper && found.upper < 1.0, "{found:?}");
    }

    #[test]
    fn what_has_no_interval_has_a_reason() {
        let reason = |evidence: Evidence| evidence.uncertainty(Bounds::SHARE, 0.05).reason();
        assert_eq!(reason(people(0.5, 0.0, 9.0)), Some(NoInterval::AllTheSame));
        let one = Evidence { standard_error: None, ..people(0.5, 0.0, 1.0) };
        assert_eq!(reason(one), Some(NoInterval::OnePerson));
        assert_eq!(reason(Evidence { is_census: true, ..one }), Some(NoInterval::EveryoneWasAsked));
    }

    #[test]
    fn a_difference_of_no_and_yes_is_not_a_share() {
        let evidence = Evidence { is_binary: true, ..people(0.2, 0.05, 60.0) };
        let kind = |bounds| evidence.uncertainty(bounds, 0.05).interval().expect("an interval").kind;
        assert_eq!(kind(Bounds::SHARE), IntervalKind::Wilson);
        assert_eq!(kind(Bounds::DIFFERENCE), IntervalKind::StudentT);
    }

    #[test]
    fn numbers_without_bounds_keep_the_plain_interval() {
        let found = people(0.1, 1.0, 5.0).uncertainty(Bounds::NONE, 0.05).interval().expect("an interval");
        assert_eq!(found.kind, IntervalKind::StudentT);
        assert_eq!(people(0.0, 0.0, 5.0).uncertainty(Bounds::NONE, 0.05).reason(), Some(NoInterval::AllTheSame));
    }

    proptest! {
        #[test]
        fn intervals_stay_inside_the_bounds_and_contain_the_mean(
            mean in 0.0..1.0_f64, standard_error in 1e-4..1.0_f64, n in 2.0..100.0_f64, is_binary: bool,
            bounds in prop::sample::select(vec![Bounds::SHARE, Bounds::DIFFERENCE]),
        ) {
            let evidence = Evidence { is_binary, ..people(mean, standard_error, n) };
            let found = evidence.uncertainty(bounds, 0.05).interval().expect("an interval");
            prop_assert!(bounds.contain(found.lower) && bounds.contain(found.upper));
            prop_assert!(found.contains(mean), "{found:?} does not contain {mean}");
        }

        #[test]
        fn stricter_levels_and_fewer_people_make_wider_intervals(
            mean in 0.0..1.0_f64, standard_error in 1e-3..0.3_f64, n in 2.0..100.0_f64, is_binary: bool,
        ) {
            let width = |people_asked: f64, alpha| {
                let evidence = Evidence { is_binary, ..people(mean, standard_error, people_asked) };
                evidence.uncertainty(Bounds::NONE, alpha).interval().expect("an interval").half_width()
            };
            prop_assert!(width(n, 0.01) > width(n, 0.05));
            prop_assert!(width(n, 0.05) > width(n + 1.0, 0.05));
        }
    }
}
