//! How an answer is predicted: methods, the modules and stages that they are made of, and the two behaviours.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which faults of the paper's code are reproduced.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// As the paper's own code does it, to the byte and the bit.
    Paper,
    /// With the known faults mended (see the method notes in ARCHITECTURE.md).
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

/// A way to predict an answer (paper, sections 3 and 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Backstory, three modules, and a coordinator where they disagree.
    #[serde(rename = "valuesim")]
    ValueSim,
    /// One call with the whole profile in question form.
    FullInfo,
    /// No model: the most frequent answer of the other respondents.
    Mode,
    /// No model: the median answer of the other respondents.
    Median,
    /// No model: the most frequent answer of the other respondents of the same country.
    ModeCountry,
    /// No model: the median answer of the other respondents of the same country.
    MedianCountry,
    /// No model: an answer drawn uniformly from the options.
    Chance,
}

impl Method {
    /// All methods that ask a model, in the order of the tables.
    pub const WITH_MODEL: [Self; 2] = [Self::FullInfo, Self::ValueSim];
    /// All baselines that cost nothing, in the order of the tables.
    pub const WITHOUT_MODEL: [Self; 5] =
        [Self::Chance, Self::Mode, Self::Median, Self::ModeCountry, Self::MedianCountry];

    /// Whether the method asks a model.
    pub fn asks_model(self) -> bool {
        Self::WITH_MODEL.contains(&self)
    }

    /// Whether the method needs a backstory.
    pub fn needs_backstory(self) -> bool {
        self == Self::ValueSim
    }

    /// The method's name in files, flags and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ValueSim => "valuesim",
            Self::FullInfo => "full-info",
            Self::Mode => "mode",
            Self::Median => "median",
            Self::ModeCountry => "mode-country",
            Self::MedianCountry => "median-country",
            Self::Chance => "chance",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One of the three perspectives that a question is analysed from (paper, section 3.3).
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

/// The kind of a call: what the model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Write the backstory.
    Story,
    /// Answer from the cognitive perspective.
    Cognitive,
    /// Answer from the affective perspective.
    Affective,
    /// Answer from the behavioral perspective.
    Behavioral,
    /// Settle what the modules disagree on.
    Coordinator,
    /// Answer in one call from the whole profile.
    FullInfo,
}

impl Stage {
    /// All stages, in the order in which a cell meets them.
    pub const ALL: [Self; 6] =
        [Self::Story, Self::Cognitive, Self::Affective, Self::Behavioral, Self::Coordinator, Self::FullInfo];

    /// The stage's name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Story => "story",
            Self::Cognitive => "cognitive",
            Self::Affective => "affective",
            Self::Behavioral => "behavioral",
            Self::Coordinator => "coordinator",
            Self::FullInfo => "full_info",
        }
    }

    /// The number that stands for the stage in stored bytes. It never changes, whatever the order of [`Stage::ALL`].
    pub const fn number(self) -> u8 {
        match self {
            Self::Story => 0,
            Self::Cognitive => 1,
            Self::Affective => 2,
            Self::Behavioral => 3,
            Self::Coordinator => 4,
            Self::FullInfo => 5,
        }
    }

    /// The stage that a stored number stands for, or `None` if this release does not know it.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Story),
            1 => Some(Self::Cognitive),
            2 => Some(Self::Affective),
            3 => Some(Self::Behavioral),
            4 => Some(Self::Coordinator),
            5 => Some(Self::FullInfo),
            _ => None,
        }
    }
}

impl From<Module> for Stage {
    fn from(module: Module) -> Self {
        match module {
            Module::Cognitive => Self::Cognitive,
            Module::Affective => Self::Affective,
            Module::Behavioral => Self::Behavioral,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_numbers_of_stages_never_change() {
        let numbers = Stage::ALL.map(|stage| (stage.name(), stage.number()));
        let expected =
            [("story", 0), ("cognitive", 1), ("affective", 2), ("behavioral", 3), ("coordinator", 4), ("full_info", 5)];
        assert_eq!(numbers, expected);
        for stage in Stage::ALL {
            assert_eq!(Stage::from_number(stage.number()), Some(stage));
        }
        assert_eq!(Stage::from_number(6), None);
    }
}
