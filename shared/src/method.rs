//! The methods that predict answers, the modules of the CAB method, and the two behaviours.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether to reproduce the faults of the paper's code.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Reproduces the paper's code bit for bit, faults included.
    Paper,
    /// With the known faults corrected (docs/methods.md lists them).
    #[default]
    Corrected,
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::Corrected => "corrected",
        })
    }
}

/// A way to predict an answer (paper, sections 3 to 5). Each is a row of the table in [`crate::cell`].
///
/// Files, messages and flags write a method as one word, such as `full-info` or `profile-scale(58)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Backstory, three modules, and a coordinator where they disagree.
    ValueSim,
    /// One call with the whole profile in question form.
    FullInfo,
    /// One call with the items of the profile that are most similar to the question.
    Rag,
    /// No model: the most frequent answer of the other respondents.
    Mode,
    /// No model: the median answer of the other respondents.
    Median,
    /// No model: the most frequent answer of the other respondents of the same country.
    ModeCountry,
    /// No model: the median answer of the other respondents of the same country.
    MedianCountry,
    /// No model: what a guess among the options is expected to score.
    Chance,
    /// One call with the backstory, without modules.
    NoCab,
    /// Modules and coordinator that read the profile in question form in place of a backstory.
    NoStory,
    /// As `valuesim`, with the mean of the modules' answers, rounded up, in place of the coordinator.
    Average,
    /// As `valuesim` without the cognitive module.
    NoCognitive,
    /// As `valuesim` without the affective module.
    NoAffective,
    /// As `valuesim` without the behavioral module.
    NoBehavioral,
    /// One call without any information about the respondent.
    NoProfile,
    /// Modules and coordinator that read the backstory and the profile.
    Combined,
    /// As `valuesim`, with a backstory from this number of profile items.
    ProfileScale(u16),
}

impl Method {
    /// The default methods of an experiment, in the order of the tables.
    pub const DEFAULT: [Self; 2] = [Self::FullInfo, Self::ValueSim];

    /// All methods without a parameter that ask a model, in the order of the tables.
    pub const WITH_MODEL: [Self; 11] = [
        Self::NoProfile,
        Self::FullInfo,
        Self::Rag,
        Self::NoCab,
        Self::NoStory,
        Self::NoCognitive,
        Self::NoAffective,
        Self::NoBehavioral,
        Self::Average,
        Self::Combined,
        Self::ValueSim,
    ];

    /// All baselines without a model, in the order of the tables.
    pub const WITHOUT_MODEL: [Self; 5] =
        [Self::Chance, Self::Mode, Self::Median, Self::ModeCountry, Self::MedianCountry];

    /// Whether the method asks a model.
    pub fn asks_model(self) -> bool {
        !Self::WITHOUT_MODEL.contains(&self)
    }

    /// Sorts methods in the order of the tables: that of [`Self::WITH_MODEL`], with `profile-scale(N)` before `valuesim` in
    /// the order of N.
    pub fn table_order(methods: &[Self]) -> Vec<Self> {
        let mut methods = methods.to_vec();
        methods.sort_by_key(|method| match method {
            Self::ProfileScale(items) => (Self::WITH_MODEL.len() - 1, usize::from(*items)),
            Self::ValueSim => (Self::WITH_MODEL.len(), 0),
            other => (Self::WITH_MODEL.iter().position(|known| known == other).unwrap_or(usize::MAX), 0),
        });
        methods
    }

    /// The method's name in files, flags and tables.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::ValueSim => "valuesim",
            Self::FullInfo => "full-info",
            Self::Rag => "rag",
            Self::Mode => "mode",
            Self::Median => "median",
            Self::ModeCountry => "mode-country",
            Self::MedianCountry => "median-country",
            Self::Chance => "chance",
            Self::NoCab => "no-cab",
            Self::NoStory => "no-story",
            Self::Average => "average",
            Self::NoCognitive => "no-cognitive",
            Self::NoAffective => "no-affective",
            Self::NoBehavioral => "no-behavioral",
            Self::NoProfile => "no-profile",
            Self::Combined => "combined",
            Self::ProfileScale(items) => return Cow::Owned(format!("profile-scale({items})")),
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

/// A word that is not the name of a method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown method `{0}`: expected one of {known}, or `profile-scale(N)`", known = known_methods())]
pub struct UnknownMethod(String);

fn known_methods() -> String {
    let known = Method::WITH_MODEL.map(|method| format!("`{method}`"));
    known.join(", ")
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(word: &str) -> Result<Self, UnknownMethod> {
        let without_parameter = Self::WITH_MODEL.into_iter().chain(Self::WITHOUT_MODEL);
        if let Some(method) = without_parameter.into_iter().find(|method| method.name() == word) {
            return Ok(method);
        }
        let items = word.strip_prefix("profile-scale(").and_then(|rest| rest.strip_suffix(')'));
        let items = items.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let items = items.and_then(|digits| digits.parse().ok());
        items.map(Self::ProfileScale).ok_or_else(|| UnknownMethod(word.chars().take(60).collect()))
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<'de, str>::deserialize(deserializer)?;
        word.parse().map_err(D::Error::custom)
    }
}

/// One of the three perspectives from which a question is analysed (paper, section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// Information, beliefs, reasoning.
    Cognitive,
    /// Feelings, values, needs.
    Affective,
    /// Habits, circumstances, past actions.
    Behavioral,
}

impl Module {
    /// The three modules in the paper's order.
    pub const ALL: [Self; 3] = [Self::Cognitive, Self::Affective, Self::Behavioral];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Methods as stored. Changing a line makes stored results unreadable.
    const STORED: [(Method, &str); 17] = [
        (Method::ValueSim, "valuesim"),
        (Method::FullInfo, "full-info"),
        (Method::Rag, "rag"),
        (Method::Mode, "mode"),
        (Method::Median, "median"),
        (Method::ModeCountry, "mode-country"),
        (Method::MedianCountry, "median-country"),
        (Method::Chance, "chance"),
        (Method::NoCab, "no-cab"),
        (Method::NoStory, "no-story"),
        (Method::Average, "average"),
        (Method::NoCognitive, "no-cognitive"),
        (Method::NoAffective, "no-affective"),
        (Method::NoBehavioral, "no-behavioral"),
        (Method::NoProfile, "no-profile"),
        (Method::Combined, "combined"),
        (Method::ProfileScale(58), "profile-scale(58)"),
    ];

    #[test]
    fn stored_names_of_methods_are_fixed() {
        for (method, word) in STORED {
            assert_eq!(method.name(), word);
            assert_eq!(word.parse(), Ok(method));
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::to_string(&method).expect("writes"), json);
            assert_eq!(serde_json::from_str::<Method>(&json).expect("reads"), method);
        }
    }

    #[test]
    fn unknown_methods_are_refused() {
        for word in
            ["", "magic", "ValueSim", "profile-scale", "profile-scale()", "profile-scale(-1)", "profile-scale(+1)"]
        {
            assert!(word.parse::<Method>().is_err(), "{word}");
        }
    }

    #[test]
    fn tables_begin_with_the_simplest_method_and_end_with_valuesim() {
        let methods = [Method::ValueSim, Method::ProfileScale(116), Method::FullInfo, Method::ProfileScale(58)];
        let words: Vec<String> = Method::table_order(&methods).iter().map(ToString::to_string).collect();
        assert_eq!(words, ["full-info", "profile-scale(58)", "profile-scale(116)", "valuesim"]);
    }
}
