//! What a finished cell yields: its predictions, how each came about, and what the calls used.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{Cell, Code, RunId};
use crate::method::Method;
use crate::money::{NanoUsd, Tokens};
use crate::stage::Stage;
use crate::transcript::Transcript;

/// The version of the outcome message; a reader refuses others.
pub const OUTCOME_VERSION: u16 = 1;

/// A finished cell, as it goes from the worker to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellOutcome {
    /// [`OUTCOME_VERSION`] of the writer.
    pub version: u16,
    /// Which run it belongs to.
    pub run: RunId,
    /// Which cell.
    pub cell: Cell,
    /// What was predicted: the same whenever and wherever the cell is done, given the same replies.
    pub result: CellResult,
    /// What it took: differs with retries, caches and crashes.
    pub spend: CellSpend,
    /// What was said; none unless the experiment asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
}

/// The part of an outcome that depends on the model's replies alone. All lists run over the fold's held-out
/// questions in the fold's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellResult {
    /// How the backstory came out; none where no arm needed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<StoryResult>,
    /// How the backstories of a part of the profile came out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaled_stories: Vec<ScaledStory>,
    /// What each module answered; empty where no arm needed modules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ModuleResult>,
    /// The predictions of each arm.
    pub arms: Vec<ArmResult>,
}

/// How a backstory came out. The text itself is not part of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoryResult {
    /// How asking for it ended.
    pub ended: Ended,
    /// Its length in Unicode characters.
    pub characters: u32,
    /// How often the model was asked.
    pub asked: u8,
}

/// How a backstory of a part of the profile came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaledStory {
    /// The stage that wrote it, which says of how many items.
    pub stage: Stage,
    /// How it came out.
    pub story: StoryResult,
}

/// What one module answered to each held-out question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleResult {
    /// Which module, and from which text; one of the paper's method is the module's word alone.
    #[serde(rename = "module")]
    pub stage: Stage,
    /// The answers; none where the module gave no valid one.
    pub answers: Vec<Option<Code>>,
    /// How asking for each ended.
    pub ended: CodeString<Ended>,
}

/// The predictions of one arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmResult {
    /// The arm's method; its model is the cell's.
    pub method: Method,
    /// The predictions; none where there is no valid one.
    pub answers: Vec<Option<Code>>,
    /// How each prediction ended.
    pub ended: CodeString<Ended>,
    /// How each prediction was decided.
    pub decided: CodeString<Decided>,
    /// How often the model was asked for each prediction, reminders of the format included, transport retries not.
    pub asked: Vec<u8>,
}

/// How asking a model ended. Only these are results; limits, transport, money and bugs never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// With an answer.
    Answered,
    /// With an answer, after a reminder of the format.
    Reminded,
    /// With a reply that cannot be read as an option.
    Invalid,
    /// With a refusal by the provider's or the model's policy.
    Refused,
    /// With a reply that the length limit cut off before an answer.
    CutOff,
    /// Without a reply: the prompt is too long for the model's context.
    TooLong,
}

impl Ended {
    /// All endings, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::Reminded, Self::Invalid, Self::Refused, Self::CutOff, Self::TooLong];

    /// Whether there is an answer.
    pub const fn has_answer(self) -> bool {
        matches!(self, Self::Answered | Self::Reminded)
    }

    /// The ending's name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Reminded => "answered after a reminder",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::CutOff => "cut off",
            Self::TooLong => "too long",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(self.letter())
    }
}

impl<'de> Deserialize<'de> for Ended {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let letter = char::deserialize(deserializer)?;
        Self::from_letter(letter).ok_or_else(|| D::Error::custom(format!("no ending has the letter {letter:?}")))
    }
}

/// How a prediction was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decided {
    /// All modules with a valid answer gave the same one, and there were at least two.
    Unanimous,
    /// One module alone gave a valid answer.
    SingleAnswer,
    /// Modules differed and the coordinator was asked.
    Coordinator,
    /// Modules differed and the mean of their answers was taken, rounded up.
    Average,
    /// No module gave a valid answer, so there is none.
    NoValidAnswers,
    /// The method asks for the answer in one call.
    Direct,
    /// The method asks no model.
    WithoutModel,
}

impl Decided {
    /// The decision's name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unanimous => "unanimous",
            Self::SingleAnswer => "single_answer",
            Self::Coordinator => "coordinator",
            Self::Average => "average",
            Self::NoValidAnswers => "no_valid_answers",
            Self::Direct => "direct",
            Self::WithoutModel => "without_model",
        }
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something that one letter stands for in a message.
pub trait CodeLetter: Sized + Copy {
    /// The letter.
    fn letter(self) -> char;
    /// What a letter stands for.
    fn from_letter(letter: char) -> Option<Self>;
}

impl CodeLetter for Ended {
    fn letter(self) -> char {
        match self {
            Self::Answered => 'a',
            Self::Reminded => 'r',
            Self::Invalid => 'i',
            Self::Refused => 'p',
            Self::CutOff => 'l',
            Self::TooLong => 't',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.letter() == letter)
    }
}

impl CodeLetter for Decided {
    fn letter(self) -> char {
        match self {
            Self::Unanimous => 'u',
            Self::SingleAnswer => 's',
            Self::Coordinator => 'c',
            Self::Average => 'm',
            Self::NoValidAnswers => 'n',
            Self::Direct => 'd',
            Self::WithoutModel => 'w',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        let all = [
            Self::Unanimous,
            Self::SingleAnswer,
            Self::Coordinator,
            Self::Average,
            Self::NoValidAnswers,
            Self::Direct,
            Self::WithoutModel,
        ];
        all.into_iter().find(|decided| decided.letter() == letter)
    }
}

/// A list that is written as a word, one letter for each item: `"aaria"`. Sixty times smaller than a list of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeString<T>(pub Vec<T>);

impl<T: CodeLetter> Serialize for CodeString<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word: String = self.0.iter().map(|item| item.letter()).collect();
        serializer.serialize_str(&word)
    }
}

impl<'de, T: CodeLetter> Deserialize<'de> for CodeString<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let items = word.chars().map(|letter| {
            T::from_letter(letter)
                .ok_or_else(|| D::Error::custom(format!("the letter {letter:?} stands for nothing here")))
        });
        items.collect::<Result<_, _>>().map(Self)
    }
}

/// What stands behind a reported model's name where the replies say of themselves that they are simulated.
pub const SIMULATED_MARK: &str = " (SIMULATED)";

/// The most names of models that a sum keeps. A router has a few; a provider that makes up a name for each reply must
/// not make the sums of a run grow with its calls.
pub const MOST_REPORTED_MODELS: usize = 100;

/// What the calls of one cell used, by stage.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSpend {
    /// What each stage used; stages without a call are left out.
    pub stages: BTreeMap<Stage, StageSpend>,
    /// The models that answered, as the provider named them; simulated ones with [`SIMULATED_MARK`].
    pub reported_models: Vec<String>,
}

impl CellSpend {
    /// Whether any reply came from a simulated provider.
    pub fn simulated(&self) -> bool {
        self.reported_models.iter().any(|model| model.ends_with(SIMULATED_MARK))
    }

    /// The sum over all stages.
    pub fn total(&self) -> StageSpend {
        let mut total = StageSpend::default();
        for stage in self.stages.values() {
            total.add(stage);
        }
        total
    }

    /// Adds what another attempt at the cell used.
    pub fn add(&mut self, other: &Self) {
        for (&stage, spend) in &other.stages {
            self.stages.entry(stage).or_default().add(spend);
        }
        for model in &other.reported_models {
            // What is simulated must be known to be so, however many names came before.
            let tells = model.ends_with(SIMULATED_MARK) && !self.simulated();
            let wanted = tells || self.reported_models.len() < MOST_REPORTED_MODELS;
            if wanted && !self.reported_models.contains(model) {
                self.reported_models.push(model.clone());
            }
        }
    }
}

/// What the calls of one stage used. `sent` = `answered` + `failed` + `abandoned` once nothing is under way.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSpend {
    /// Requests that went over the wire, retries included.
    pub sent: u64,
    /// Requests that were answered with a reply.
    pub answered: u64,
    /// Requests that ended otherwise.
    pub failed: u64,
    /// Requests whose end nobody saw, because the process ended first. They may have been billed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub abandoned: u64,
    /// Answered requests whose provider reported no usage; their tokens are not in `tokens`.
    pub without_usage: u64,
    /// Tokens as the provider counted them.
    pub tokens: Tokens,
    /// What the tokens cost; zero where the model has no price.
    pub cost: NanoUsd,
    /// What is perhaps billed beyond that: for requests without usage, cut off, timed out or abandoned.
    #[serde(default, skip_serializing_if = "UncertainSpend::is_nothing")]
    pub unsure: UncertainSpend,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Tokens and money that a provider may have counted without saying so.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UncertainSpend {
    /// Tokens, estimated from the length of the prompt and an ordinary reply.
    pub likely: Tokens,
    /// What these cost.
    pub likely_cost: NanoUsd,
    /// Tokens that it can be at most: one for each byte of the prompt, and the longest reply.
    pub at_most: Tokens,
    /// What these cost.
    pub at_most_cost: NanoUsd,
}

impl UncertainSpend {
    /// Whether nothing is unsure.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what other requests may have used.
    pub fn add(&mut self, other: &Self) {
        self.likely += other.likely;
        self.likely_cost += other.likely_cost;
        self.at_most += other.at_most;
        self.at_most_cost += other.at_most_cost;
    }

    /// This, for `count` requests alike.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self {
            likely: self.likely.times(count),
            likely_cost: self.likely_cost.times(count),
            at_most: self.at_most.times(count),
            at_most_cost: self.at_most_cost.times(count),
        }
    }
}

impl StageSpend {
    /// Adds what other calls used.
    pub fn add(&mut self, other: &Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.answered = self.answered.saturating_add(other.answered);
        self.failed = self.failed.saturating_add(other.failed);
        self.abandoned = self.abandoned.saturating_add(other.abandoned);
        self.without_usage = self.without_usage.saturating_add(other.without_usage);
        self.tokens += other.tokens;
        self.cost += other.cost;
        self.unsure.add(&other.unsure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Fold, ModelId, Respondent};

    fn outcome() -> CellOutcome {
        let spend = StageSpend {
            sent: 4,
            answered: 3,
            failed: 1,
            without_usage: 0,
            tokens: Tokens { input: 4500, cached: 1024, output: 390 },
            cost: NanoUsd(2_835_000),
            ..StageSpend::default()
        };
        CellOutcome {
            version: OUTCOME_VERSION,
            run: RunId("r1".to_owned()),
            cell: Cell {
                model: ModelId(0),
                respondent: Respondent::new(83_811).expect("not 0"),
                fold: Fold::new(2).expect("not 0"),
            },
            result: CellResult {
                story: Some(StoryResult { ended: Ended::Answered, characters: 6943, asked: 1 }),
                scaled_stories: Vec::new(),
                modules: vec![ModuleResult {
                    stage: Stage::COGNITIVE,
                    answers: vec![Some(Code(2)), None],
                    ended: CodeString(vec![Ended::Answered, Ended::Invalid]),
                }],
                arms: vec![ArmResult {
                    method: Method::ValueSim,
                    answers: vec![Some(Code(2)), None],
                    ended: CodeString(vec![Ended::Reminded, Ended::Refused]),
                    decided: CodeString(vec![Decided::Coordinator, Decided::NoValidAnswers]),
                    asked: vec![5, 3],
                }],
            },
            spend: CellSpend {
                stages: [(Stage::COGNITIVE, spend)].into(),
                reported_models: vec!["gpt-3.5-turbo-0125".to_owned()],
            },
            transcript: None,
        }
    }

    /// The message as it stands on the wire. A change here is a new version and a line in CHANGELOG.md.
    const ON_THE_WIRE: &str = r#"{"version":1,"run":"r1","cell":{"model":0,"respondent":83811,"fold":2},"result":{"story":{"ended":"a","characters":6943,"asked":1},"modules":[{"module":"cognitive","answers":[2,null],"ended":"ai"}],"arms":[{"method":"valuesim","answers":[2,null],"ended":"rp","decided":"cn","asked":[5,3]}]},"spend":{"stages":{"cognitive":{"sent":4,"answered":3,"failed":1,"without_usage":0,"tokens":{"input":4500,"cached":1024,"output":390},"cost":2835000}},"reported_models":["gpt-3.5-turbo-0125"]}}"#;

    #[test]
    fn the_message_is_written_and_read_to_the_letter() {
        assert_eq!(serde_json::to_string(&outcome()).expect("writes"), ON_THE_WIRE);
        assert_eq!(serde_json::from_str::<CellOutcome>(ON_THE_WIRE).expect("reads"), outcome());
    }

    #[test]
    fn what_was_said_is_at_the_end_where_there_is_something() {
        let with = CellOutcome { transcript: Some(Transcript::from_bytes(vec![1, 2, 3])), ..outcome() };
        let expected = format!(r#"{},"transcript":"AQID"}}"#, ON_THE_WIRE.strip_suffix('}').expect("an object"));
        assert_eq!(serde_json::to_string(&with).expect("writes"), expected);
        assert_eq!(serde_json::from_str::<CellOutcome>(&expected).expect("reads"), with);
    }

    #[test]
    fn a_provider_that_makes_up_names_of_models_does_not_fill_the_sums() {
        let mut total = CellSpend::default();
        for reply in 0..=MOST_REPORTED_MODELS {
            let mark = if reply == MOST_REPORTED_MODELS { SIMULATED_MARK } else { "" };
            let made_up = [format!("m-{reply}{mark}"), format!("m-{reply}-again")];
            total.add(&CellSpend { reported_models: made_up.to_vec(), ..CellSpend::default() });
        }
        assert_eq!(total.reported_models.len(), MOST_REPORTED_MODELS + 1);
        assert!(total.simulated(), "what is simulated is still known");
    }

    #[test]
    fn sums_of_absurd_figures_do_not_wrap() {
        let tokens = Tokens { input: u64::MAX, cached: 0, output: 1 };
        let mut sum = StageSpend { sent: u64::MAX, tokens, ..StageSpend::default() };
        sum.add(&sum.clone());
        assert_eq!((sum.sent, sum.tokens), (u64::MAX, Tokens { output: 2, ..tokens }));
    }

    #[test]
    fn unknown_fields_and_letters_are_refused() {
        for changed in
            [ON_THE_WIRE.replace("\"asked\":1}", "\"asked\":1,\"new\":0}"), ON_THE_WIRE.replace("\"rp\"", "\"rx\"")]
        {
            assert!(serde_json::from_str::<CellOutcome>(&changed).is_err(), "{changed}");
        }
    }
}
