//! The stages of a cell: what a call asks the model for, and which text it is based on.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::method::Module;

/// What a call asks the model for: the label of metrics, and the first half of a [`Stage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageKind {
    /// Write the backstory.
    Story,
    /// Answer from the cognitive perspective.
    Cognitive,
    /// Answer from the affective perspective.
    Affective,
    /// Answer from the behavioral perspective.
    Behavioral,
    /// Decide where the modules disagree.
    Coordinator,
    /// Answer in one call from the whole profile.
    FullInfo,
    /// Answer in one call from the backstory.
    NoCab,
    /// Answer in one call without any information about the respondent.
    NoProfile,
    /// Answer in one call from the items of the profile that are most similar to the question.
    Rag,
    /// Turn texts into vectors. Such calls belong to a run, not to a cell.
    Embeddings,
}

impl StageKind {
    /// All kinds, in the order in which a cell uses them. Positions in this list are never stored.
    pub const ALL: [Self; 10] = [
        Self::Story,
        Self::Cognitive,
        Self::Affective,
        Self::Behavioral,
        Self::Coordinator,
        Self::FullInfo,
        Self::NoCab,
        Self::NoProfile,
        Self::Rag,
        Self::Embeddings,
    ];

    /// The kind's name in files, tables and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Story => "story",
            Self::Cognitive => "cognitive",
            Self::Affective => "affective",
            Self::Behavioral => "behavioral",
            Self::Coordinator => "coordinator",
            Self::FullInfo => "full_info",
            Self::NoCab => "no_cab",
            Self::NoProfile => "no_profile",
            Self::Rag => "rag",
            Self::Embeddings => "embeddings",
        }
    }

    /// The kind's number in stored data. It never changes.
    pub const fn number(self) -> u8 {
        match self {
            Self::Story => 0,
            Self::Cognitive => 1,
            Self::Affective => 2,
            Self::Behavioral => 3,
            Self::Coordinator => 4,
            Self::FullInfo => 5,
            Self::NoCab => 6,
            Self::NoProfile => 7,
            Self::Rag => 8,
            Self::Embeddings => 9,
        }
    }

    /// The module that a stage of this kind asks, if any.
    pub const fn module(self) -> Option<Module> {
        match self {
            Self::Cognitive => Some(Module::Cognitive),
            Self::Affective => Some(Module::Affective),
            Self::Behavioral => Some(Module::Behavioral),
            Self::Story
            | Self::Coordinator
            | Self::FullInfo
            | Self::NoCab
            | Self::NoProfile
            | Self::Rag
            | Self::Embeddings => None,
        }
    }
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Module> for StageKind {
    fn from(module: Module) -> Self {
        match module {
            Module::Cognitive => Self::Cognitive,
            Module::Affective => Self::Affective,
            Module::Behavioral => Self::Behavioral,
        }
    }
}

/// Distinguishes stages of one kind: by the text that they read, or the modules whose answers a coordinator gets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// The paper's method: a backstory of the whole profile, all three modules.
    #[default]
    Plain,
    /// The profile in question form instead of a backstory.
    Profile,
    /// Both the backstory and the profile.
    Combined,
    /// The coordinator gets the answers of all modules except this one.
    Without(Module),
    /// A backstory from this number of profile items.
    Items(u16),
}

/// The stage of a call. All calls of a cell's stage share a long text and differ in the question, so a provider can cache
/// their common prefix.
///
/// Files write a stage as one word, such as `cognitive` or `cognitive(profile)`, and packed data as a
/// [`code`](Self::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage {
    kind: StageKind,
    variant: Variant,
}

impl Stage {
    /// Write the backstory from the whole profile.
    pub const STORY: Self = Self::plain(StageKind::Story);
    /// Answer from the cognitive perspective, with the backstory.
    pub const COGNITIVE: Self = Self::plain(StageKind::Cognitive);
    /// Answer from the affective perspective, with the backstory.
    pub const AFFECTIVE: Self = Self::plain(StageKind::Affective);
    /// Answer from the behavioral perspective, with the backstory.
    pub const BEHAVIORAL: Self = Self::plain(StageKind::Behavioral);
    /// Decide where the three modules disagree.
    pub const COORDINATOR: Self = Self::plain(StageKind::Coordinator);
    /// Answer in one call from the whole profile.
    pub const FULL_INFO: Self = Self::plain(StageKind::FullInfo);
    /// Answer in one call from the backstory.
    pub const NO_CAB: Self = Self::plain(StageKind::NoCab);
    /// Answer in one call without any information about the respondent.
    pub const NO_PROFILE: Self = Self::plain(StageKind::NoProfile);
    /// Answer in one call from the most similar items of the profile.
    pub const RAG: Self = Self::plain(StageKind::Rag);
    /// Turn texts into vectors.
    pub const EMBEDDINGS: Self = Self::plain(StageKind::Embeddings);

    /// The stage of a kind in the paper's method.
    pub const fn plain(kind: StageKind) -> Self {
        Self { kind, variant: Variant::Plain }
    }

    /// A stage of a kind that differs from the paper's method.
    pub const fn of(kind: StageKind, variant: Variant) -> Self {
        Self { kind, variant }
    }

    /// What the call asks the model for.
    pub const fn kind(self) -> StageKind {
        self.kind
    }

    /// The text that the call is based on, or the modules whose answers it gets.
    pub const fn variant(self) -> Variant {
        self.variant
    }

    /// The stage's name in files and tables.
    pub fn name(self) -> Cow<'static, str> {
        let kind = self.kind.name();
        match self.variant {
            Variant::Plain => Cow::Borrowed(kind),
            Variant::Profile => Cow::Owned(format!("{kind}(profile)")),
            Variant::Combined => Cow::Owned(format!("{kind}(combined)")),
            Variant::Without(module) => Cow::Owned(format!("{kind}(without {})", StageKind::from(module))),
            Variant::Items(items) => Cow::Owned(format!("{kind}({items})")),
        }
    }

    /// The stage's number in packed data: the kind in the lowest byte, the variant in the next, and its number of items in
    /// the upper two. It never changes.
    pub fn code(self) -> u32 {
        let (variant, items) = match self.variant {
            Variant::Plain => (0, 0),
            Variant::Profile => (1, 0),
            Variant::Combined => (2, 0),
            Variant::Without(Module::Cognitive) => (3, 0),
            Variant::Without(Module::Affective) => (4, 0),
            Variant::Without(Module::Behavioral) => (5, 0),
            Variant::Items(items) => (6, items),
        };
        u32::from(self.kind.number()) | variant << 8 | u32::from(items) << 16
    }

    /// The stage with this [`code`](Self::code), if any.
    pub fn from_code(code: u32) -> Option<Self> {
        let [kind, variant, low, high] = code.to_le_bytes();
        let items = u16::from_le_bytes([low, high]);
        let kind = StageKind::ALL.into_iter().find(|known| known.number() == kind)?;
        let variant = match variant {
            0 => Variant::Plain,
            1 => Variant::Profile,
            2 => Variant::Combined,
            3 => Variant::Without(Module::Cognitive),
            4 => Variant::Without(Module::Affective),
            5 => Variant::Without(Module::Behavioral),
            6 => Variant::Items(items),
            _ => return None,
        };
        let stage = Self { kind, variant };
        (stage.code() == code).then_some(stage)
    }
}

impl From<Module> for Stage {
    fn from(module: Module) -> Self {
        Self::plain(module.into())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

/// A word that is not the name of a stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown stage `{0}`: expected a word such as `story`, `cognitive(profile)` or `coordinator`")]
pub struct UnknownStage(String);

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(word: &str) -> Result<Self, UnknownStage> {
        let unknown = || UnknownStage(word.chars().take(60).collect());
        let kind_of = |name: &str| StageKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(unknown);
        let Some((kind, variant)) = word.split_once('(') else { return Ok(Self::plain(kind_of(word)?)) };
        let variant = match variant.strip_suffix(')').ok_or_else(unknown)? {
            "profile" => Variant::Profile,
            "combined" => Variant::Combined,
            items if items.starts_with(|c: char| c.is_ascii_digit()) => {
                Variant::Items(items.parse().map_err(|_| unknown())?)
            }
            without => {
                let module = without.strip_prefix("without ").ok_or_else(unknown)?;
                Variant::Without(kind_of(module)?.module().ok_or_else(unknown)?)
            }
        };
        Ok(Self { kind: kind_of(kind)?, variant })
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<'de, str>::deserialize(deserializer)?;
        word.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stages as stored. Changing a line makes stored calls unreadable.
    const STORED: [(Stage, &str, u32); 16] = [
        (Stage::STORY, "story", 0),
        (Stage::COGNITIVE, "cognitive", 1),
        (Stage::AFFECTIVE, "affective", 2),
        (Stage::BEHAVIORAL, "behavioral", 3),
        (Stage::COORDINATOR, "coordinator", 4),
        (Stage::FULL_INFO, "full_info", 5),
        (Stage::NO_CAB, "no_cab", 6),
        (Stage::NO_PROFILE, "no_profile", 7),
        (Stage::RAG, "rag", 8),
        (Stage::EMBEDDINGS, "embeddings", 9),
        (Stage::of(StageKind::Cognitive, Variant::Profile), "cognitive(profile)", 0x0101),
        (Stage::of(StageKind::Behavioral, Variant::Combined), "behavioral(combined)", 0x0203),
        (
            Stage::of(StageKind::Coordinator, Variant::Without(Module::Cognitive)),
            "coordinator(without cognitive)",
            0x0304,
        ),
        (
            Stage::of(StageKind::Coordinator, Variant::Without(Module::Affective)),
            "coordinator(without affective)",
            0x0404,
        ),
        (
            Stage::of(StageKind::Coordinator, Variant::Without(Module::Behavioral)),
            "coordinator(without behavioral)",
            0x0504,
        ),
        (Stage::of(StageKind::Story, Variant::Items(58)), "story(58)", 0x003a_0600),
    ];

    #[test]
    fn stored_names_and_numbers_of_stages_are_fixed() {
        for (stage, word, code) in STORED {
            assert_eq!((stage.name().as_ref(), stage.code()), (word, code));
            assert_eq!((word.parse(), Stage::from_code(code)), (Ok(stage), Some(stage)));
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::to_string(&stage).expect("writes"), json);
            assert_eq!(serde_json::from_str::<Stage>(&json).expect("reads"), stage);
        }
    }

    #[test]
    fn numbers_and_names_of_kinds_are_unique() {
        for (at, kind) in StageKind::ALL.into_iter().enumerate() {
            let others = &StageKind::ALL[at + 1..];
            assert!(others.iter().all(|other| other.number() != kind.number() && other.name() != kind.name()));
        }
    }

    #[test]
    fn unknown_names_and_numbers_are_refused() {
        for word in ["", "magic", "story(", "story()", "story(x)", "story(70000)", "cognitive(without story)", "Story"]
        {
            assert!(word.parse::<Stage>().is_err(), "{word}");
        }
        for code in [10, 0x0700, 0x0001_0000, u32::MAX] {
            assert_eq!(Stage::from_code(code), None, "{code:#x}");
        }
    }
}
