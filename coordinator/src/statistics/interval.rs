//! Defines an interval, what it was made with, and why there sometimes is none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The share of samples whose interval contains the population's value.
pub const CONFIDENCE: f64 = 0.95;

/// The share of samples whose interval misses it: the level of all tests.
pub const ALPHA: f64 = 0.05;

/// Between what a score lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The least possible value.
    pub lower: f64,
    /// The greatest possible value.
    pub upper: f64,
}

impl Bounds {
    /// Shares and errors on a scale, from 0 to 1.
    pub const SHARE: Self = Self { lower: 0.0, upper: 1.0 };

    /// Differences of two shares, from -1 to 1.
    pub const DIFFERENCE: Self = Self { lower: -1.0, upper: 1.0 };

    /// Any number: the errors of behaviour `paper`, which may pass 1.
    pub const NONE: Self = Self { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

    /// Where a value lies between the bounds, from 0 to 1. Needs finite bounds.
    pub(super) fn share(self, value: f64) -> f64 {
        (value - self.lower) / self.width()
    }

    /// The value of a share; the inverse of [`Self::share`].
    pub(super) fn value(self, share: f64) -> f64 {
        (self.lower + share * self.width()).clamp(self.lower, self.upper)
    }

    pub(super) fn width(self) -> f64 {
        self.upper - self.lower
    }

    pub(super) fn contain(self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }
}

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// What it was made with.
    pub kind: IntervalKind,
}

impl Interval {
    /// Whether the interval contains a value, its ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// Half of its width; the ± of a symmetric interval.
    pub fn half_width(&self) -> f64 {
        (self.upper - self.lower) / 2.0
    }
}

/// What an interval was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalKind {
    /// The mean plus and minus a quantile of Student's t times the standard error; the only symmetric one.
    StudentT,
    /// The score interval of a share (Wilson 1927), where each person gives one yes or no.
    Wilson,
    /// The t interval of the mean's logit, carried back, where the plain one would leave the bounds.
    Logit,
    /// One of a confidence sequence, which covers at all sample sizes at once, whenever one stops.
    AlwaysValid,
}

/// An interval, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertainty {
    /// The interval.
    Interval(Interval),
    /// Why there is none; a table shows `-`.
    NoInterval(NoInterval),
}

impl Uncertainty {
    /// The interval, if there is one.
    pub fn interval(&self) -> Option<Interval> {
        match *self {
            Self::Interval(interval) => Some(interval),
            Self::NoInterval(_) => None,
        }
    }

    /// Why there is no interval.
    pub fn reason(&self) -> Option<NoInterval> {
        match *self {
            Self::Interval(_) => None,
            Self::NoInterval(reason) => Some(reason),
        }
    }

    /// Half of the interval's width if it is symmetric.
    pub fn half_width(&self) -> Option<f64> {
        self.interval().filter(|interval| interval.kind == IntervalKind::StudentT).map(|interval| interval.half_width())
    }
}

/// Why there is no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoInterval {
    /// The sample is the population: the value is what it is.
    EveryoneWasAsked,
    /// A single person's value says nothing about others.
    OnePerson,
    /// All people have the same value, from which no spread can be estimated.
    AllTheSame,
}

impl fmt::Display for NoInterval {
    /// The reason as a clause without a full stop.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EveryoneWasAsked => "everyone was asked",
            Self::OnePerson => "one person says nothing about others",
            Self::AllTheSame => "all people have the same value",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_symmetric_interval_has_a_half_width() {
        let of_kind = |kind| Uncertainty::Interval(Interval { lower: 0.25, upper: 0.75, kind });
        assert_eq!(of_kind(IntervalKind::StudentT).half_width(), Some(0.25));
        assert_eq!(of_kind(IntervalKind::Wilson).half_width(), None);
        assert_eq!(Uncertainty::NoInterval(NoInterval::OnePerson).half_width(), None);
    }

    #[test]
    fn an_interval_or_its_reason_reads_well_in_json() {
        let json = |uncertainty: &Uncertainty| serde_json::to_string(uncertainty).expect("serializes");
        let interval = Interval { lower: 0.25, upper: 0.75, kind: IntervalKind::StudentT };
        let expected = r#"{"interval":{"lower":0.25,"upper":0.75,"kind":"student_t"}}"#;
        assert_eq!(json(&Uncertainty::Interval(interval)), expected);
        let reason = Uncertainty::NoInterval(NoInterval::EveryoneWasAsked);
        assert_eq!(json(&reason), r#"{"no_interval":"everyone_was_asked"}"#);
    }
}
