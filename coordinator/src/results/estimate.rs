//! A number that is estimated from people, with its 95 % interval or the reason why it has none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A mean over people, or a ratio of two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// How many people it is from. The t distribution of its error has one degree of freedom less.
    pub persons: u64,
    /// The mean or ratio.
    pub mean: f64,
    /// Its standard error, corrected for a finite population: 0 in a census, `None` if it is not known.
    pub standard_error: Option<f64>,
    /// Its 95 % interval, or why it has none.
    pub uncertainty: Uncertainty,
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
