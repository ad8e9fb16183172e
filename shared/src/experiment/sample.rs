//! Which respondents an experiment simulates.

use std::fmt;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ArmName, PAPER_SEED};
use crate::id::Respondent;
use crate::strata::{Allocation, Stratify};

/// Which respondents to draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sample {
    /// The number of respondents, or all; if absent, 100 from a survey file and 25 from a synthetic survey. Of rounds it is the
    /// ceiling; if absent, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Users>,
    /// Seed of the draw.
    pub seed: u64,
    /// Row numbers to use instead of a draw.
    pub respondents: Vec<Respondent>,
    /// Restricts the sample to these countries, by ISO alpha-3 or numeric code.
    pub countries: Vec<String>,
    /// Spreads the draw over groups of respondents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratify: Option<Stratify>,
    /// How many of each group; in proportion to its size if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation: Option<Allocation>,
    /// Draws rounds of people until half of the 95 % interval of each arm's accuracy is at most this: above 0, below 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// A column of the survey file: each of its groups must reach `precision`, instead of all people together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_by: Option<String>,
    /// Draws rounds of people until one of these two arms is shown to be better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub until_decided: Vec<ArmName>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            users: None,
            seed: PAPER_SEED,
            respondents: Vec::new(),
            countries: Vec::new(),
            stratify: None,
            allocation: None,
            precision: None,
            precision_by: None,
            until_decided: Vec::new(),
        }
    }
}

impl Sample {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |holds: bool, problem: &str| {
            if !holds {
                problems.push(format!("sample{problem}"));
            }
        };
        let one = self.respondents.is_empty() || self.users.is_none();
        unless(one, ": `users` and `respondents` exclude each other; leave one out");
        let (is_drawn, stratified) = (matches!(self.users, Some(Users::Count(_))), self.stratify.is_some());
        unless(
            is_drawn || !stratified,
            ".stratify: nobody is drawn, so there is nothing to spread; leave it out, or give a number of `users`",
        );
        unless(
            stratified || self.allocation.is_none(),
            ".allocation: only a stratified sample is allocated; add `stratify`, or leave it out",
        );
        problems
    }
}

/// How many respondents to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// All respondents.
    All,
    /// This number of respondents.
    Count(u32),
}

impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl std::str::FromStr for Users {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        match text.parse() {
            Ok(count) if count > 0 => Ok(Self::Count(count)),
            _ => Err(format!("{text:?} is not a number of respondents: expected a whole number above 0, or `all`")),
        }
    }
}

impl Serialize for Users {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrAll;

        impl Visitor<'_> for NumberOrAll {
            type Value = Users;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number above 0, or \"all\"")
            }

            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<Users, E> {
                count.to_string().parse().map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Users, E> {
                count.to_string().parse().map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Users, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrAll).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_drawn_sample_is_stratified() {
        let check = |change: fn(&mut Sample), expected: &[&str]| {
            let mut sample = Sample { users: Some(Users::Count(5)), ..Sample::default() };
            change(&mut sample);
            let problems = sample.problems();
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            assert!(problems.iter().zip(expected).all(|(problem, start)| problem.starts_with(start)), "{problems:?}");
        };
        check(|sample| sample.stratify = Some(Stratify::Country), &[]);
        check(|sample| sample.allocation = Some(Allocation::Equal), &["sample.allocation"]);
        check(
            |sample| {
                sample.users = Some(Users::All);
                sample.stratify = Some(Stratify::Country);
            },
            &["sample.stratify"],
        );
    }
}
