//! The table of methods: what each reads, what it asks, and how its answer is decided. A new method is a new row.

use std::collections::BTreeSet;

use crate::method::{Method, Module};
use crate::stage::{Stage, StageKind, Variant};

/// The long text that a method's prompts hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Text {
    /// None: the prompts say nothing of the respondent.
    Nothing,
    /// The profile in question form.
    Profile,
    /// The backstory.
    Backstory,
    /// The backstory and the profile in question form.
    Both,
    /// A backstory of this many items of the profile.
    BackstoryOf(u16),
    /// The items of the profile that are most similar to the question: another text for each question.
    Retrieved,
}

/// How modules' answers that differ become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// The coordinator is asked.
    Coordinator,
    /// The mean of the valid answers is taken, rounded up.
    CeilingOfMean,
}

/// What a method asks about a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// One call for the answer.
    Once(StageKind),
    /// The modules of a panel for an answer and an analysis each.
    Modules(&'static [Module], Settle),
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// What its prompts hold.
    pub reads: Text,
    /// What it asks.
    pub asks: Asks,
}

const ALL: &[Module] = &Module::ALL;
const WITHOUT_COGNITIVE: &[Module] = &[Module::Affective, Module::Behavioral];
const WITHOUT_AFFECTIVE: &[Module] = &[Module::Cognitive, Module::Behavioral];
const WITHOUT_BEHAVIORAL: &[Module] = &[Module::Cognitive, Module::Affective];

/// The row of a method; none for methods that ask no model.
pub const fn recipe(method: Method) -> Option<Recipe> {
    use Asks::{Modules, Once};
    use Settle::{CeilingOfMean, Coordinator};
    let (reads, asks) = match method {
        Method::ValueSim => (Text::Backstory, Modules(ALL, Coordinator)),
        Method::Average => (Text::Backstory, Modules(ALL, CeilingOfMean)),
        Method::NoCognitive => (Text::Backstory, Modules(WITHOUT_COGNITIVE, Coordinator)),
        Method::NoAffective => (Text::Backstory, Modules(WITHOUT_AFFECTIVE, Coordinator)),
        Method::NoBehavioral => (Text::Backstory, Modules(WITHOUT_BEHAVIORAL, Coordinator)),
        Method::NoStory => (Text::Profile, Modules(ALL, Coordinator)),
        Method::Combined => (Text::Both, Modules(ALL, Coordinator)),
        Method::ProfileScale(items) => (Text::BackstoryOf(items), Modules(ALL, Coordinator)),
        Method::NoCab => (Text::Backstory, Once(StageKind::NoCab)),
        Method::FullInfo => (Text::Profile, Once(StageKind::FullInfo)),
        Method::Rag => (Text::Retrieved, Once(StageKind::Rag)),
        Method::NoProfile => (Text::Nothing, Once(StageKind::NoProfile)),
        Method::Mode | Method::Median | Method::ModeCountry | Method::MedianCountry | Method::Chance => return None,
    };
    Some(Recipe { reads, asks })
}

impl Text {
    const fn variant(self) -> Variant {
        match self {
            Self::Nothing | Self::Backstory | Self::Retrieved => Variant::Plain,
            Self::Profile => Variant::Profile,
            Self::Both => Variant::Combined,
            Self::BackstoryOf(items) => Variant::Items(items),
        }
    }

    /// The stage that writes the backstory in this text, if there is one in it.
    pub const fn story(self) -> Option<Stage> {
        match self {
            Self::Nothing | Self::Profile | Self::Retrieved | Self::BackstoryOf(0) => None,
            Self::Backstory | Self::Both => Some(Stage::STORY),
            Self::BackstoryOf(_) => Some(Stage::of(StageKind::Story, self.variant())),
        }
    }
}

impl Recipe {
    /// The stages that ask about a question before any reply is known, in the order of calls.
    pub fn first_stages(self) -> Vec<Stage> {
        match self.asks {
            Asks::Once(kind) => vec![Stage::plain(kind)],
            Asks::Modules(panel, _) => panel.iter().map(|&module| self.module(module)).collect(),
        }
    }

    /// The stage that asks a module.
    pub fn module(self, module: Module) -> Stage {
        Stage::of(module.into(), self.reads.variant())
    }

    /// The stage that asks the coordinator where modules differ, if it is ever asked.
    pub fn coordinator(self) -> Option<Stage> {
        let Asks::Modules(panel, Settle::Coordinator) = self.asks else { return None };
        let missing = Module::ALL.into_iter().find(|module| !panel.contains(module));
        let variant = missing.map_or(self.reads.variant(), Variant::Without);
        Some(Stage::of(StageKind::Coordinator, variant))
    }
}

/// The rows of methods that ask a model, in the methods' order.
pub fn recipes(methods: &[Method]) -> impl Iterator<Item = (Method, Recipe)> + '_ {
    methods.iter().filter_map(|&method| Some((method, recipe(method)?)))
}

/// Whether any of the methods needs a backstory of the whole profile.
pub fn needs_backstory(methods: &[Method]) -> bool {
    recipes(methods).any(|(_, recipe)| recipe.reads.story() == Some(Stage::STORY))
}

/// How many backstories the methods need of each cell: one of the whole profile, and one of each sample of it.
pub fn backstories(methods: &[Method]) -> usize {
    stages(methods).into_iter().filter(|stage| stage.kind() == StageKind::Story).count()
}

/// Whether any of the methods reads the items of the profile that are most similar to a question.
pub fn needs_retrieval(methods: &[Method]) -> bool {
    recipes(methods).any(|(_, recipe)| recipe.reads == Text::Retrieved)
}

/// The stages that the methods ask about every question before any reply, each once.
pub fn first_stages(methods: &[Method]) -> BTreeSet<Stage> {
    recipes(methods).flat_map(|(_, recipe)| recipe.first_stages()).collect()
}

/// All stages that the methods may need, each once.
pub fn stages(methods: &[Method]) -> BTreeSet<Stage> {
    let all = recipes(methods).flat_map(|(_, recipe)| {
        recipe.reads.story().into_iter().chain(recipe.first_stages()).chain(recipe.coordinator())
    });
    all.collect()
}

/// The long text that the prompts of a stage hold beside the question. A story's is the profile in natural form and a
/// coordinator's are the modules' opinions, so theirs is none.
pub const fn text_of(stage: Stage) -> Text {
    match (stage.kind(), stage.variant()) {
        (StageKind::Story | StageKind::Coordinator | StageKind::NoProfile | StageKind::Embeddings, _) => Text::Nothing,
        (StageKind::Rag, _) => Text::Retrieved,
        (StageKind::FullInfo, _) | (_, Variant::Profile) => Text::Profile,
        (_, Variant::Combined) => Text::Both,
        (_, Variant::Items(items)) => Text::BackstoryOf(items),
        (_, Variant::Plain | Variant::Without(_)) => Text::Backstory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(stages: impl IntoIterator<Item = Stage>) -> Vec<String> {
        stages.into_iter().map(|stage| stage.to_string()).collect()
    }

    #[test]
    fn every_method_that_asks_a_model_has_a_row() {
        assert!(Method::WITH_MODEL.into_iter().all(|method| recipe(method).is_some()));
        assert!(Method::WITHOUT_MODEL.into_iter().all(|method| recipe(method).is_none()));
    }

    #[test]
    fn methods_that_need_the_same_call_share_it() {
        let cab = [Method::ValueSim, Method::Average, Method::NoCognitive, Method::NoAffective, Method::NoBehavioral];
        assert_eq!(names(first_stages(&cab)), ["cognitive", "affective", "behavioral"]);
        let all = names(stages(&cab));
        let coordinators =
            ["coordinator(without cognitive)", "coordinator(without affective)", "coordinator(without behavioral)"];
        assert_eq!(
            all,
            [&["story", "cognitive", "affective", "behavioral", "coordinator"][..], &coordinators].concat()
        );
    }

    #[test]
    fn another_text_makes_other_calls() {
        let methods = [Method::NoStory, Method::ProfileScale(58), Method::NoCab];
        let expected = [
            "story",
            "story(58)",
            "cognitive(profile)",
            "cognitive(58)",
            "affective(profile)",
            "affective(58)",
            "behavioral(profile)",
            "behavioral(58)",
            "coordinator(profile)",
            "coordinator(58)",
            "no_cab",
        ];
        assert_eq!(names(stages(&methods)), expected);
        assert!(needs_backstory(&methods));
        assert_eq!(backstories(&methods), 2);
        let without = [Method::NoStory, Method::ProfileScale(58), Method::FullInfo, Method::Rag, Method::NoProfile];
        assert!(!needs_backstory(&without));
        assert_eq!((backstories(&without), backstories(&[Method::ProfileScale(0)])), (1, 0));
        assert!(needs_retrieval(&without) && !needs_retrieval(&methods));
    }

    #[test]
    fn a_stage_knows_the_text_of_its_prompts() {
        for (_, recipe) in recipes(&[&Method::WITH_MODEL[..], &[Method::ProfileScale(0)]].concat()) {
            assert!(recipe.first_stages().into_iter().all(|stage| text_of(stage) == recipe.reads));
        }
    }
}
