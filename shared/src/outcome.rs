//! The outcome of a finished cell: its predictions, how each was made, and what the calls used.

mod code_string;
mod decided;
mod ended;
mod list;
mod packed;
mod spend;

use serde::{Deserialize, Serialize};

use crate::call::{CallKey, Rejection};
use crate::id::{Cell, Code, RunId};
use crate::method::Method;
use crate::stage::Stage;
use crate::transcript::Transcript;

pub use code_string::{CodeLetter, CodeString};
pub use decided::Decided;
pub use ended::Ended;
pub use packed::{MAX_OUTCOME_BYTES, Packed, PartsNotice, UnpackError, Unpacked, pack, unpack};
pub use spend::{
    CellSpend, MAX_ODDITIES, MAX_REPORTED_MODELS, PartSpend, ReusedReplies, SIMULATED_MARK, StageSpend, UncertainSpend,
};

/// The version of the outcome message. Readers refuse other versions.
pub const OUTCOME_VERSION: u16 = 1;

/// A finished cell, as it goes from the worker to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellOutcome {
    /// The writer's [`OUTCOME_VERSION`].
    pub version: u16,
    /// The run that the cell belongs to.
    pub run: RunId,
    /// The cell.
    pub cell: Cell,
    /// The predictions. The same replies give the same result, whenever and wherever the cell is processed.
    pub result: CellResult,
    /// What the calls used. Depends on retries, caches and crashes.
    pub spend: CellSpend,
    /// The prompts and replies; `None` unless the experiment asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
}

/// The part of an outcome that depends on the model's replies alone. All lists have one item for each question of the
/// fold that is asked, in the fold's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellResult {
    /// The backstory's result; `None` if no arm needed a backstory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<StoryResult>,
    /// The results of backstories written from part of the profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaled_stories: Vec<ScaledStory>,
    /// The answers of each module; empty if no arm needed modules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ModuleResult>,
    /// The predictions of each arm.
    pub arms: Vec<ArmResult>,
    /// What the provider said to prompts that it did not take: too long, against a policy, or rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<RejectedCall>,
}

/// A call whose prompt the provider did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectedCall {
    /// The call.
    pub call: CallKey,
    /// What the provider said.
    pub rejection: Rejection,
}

/// The result of asking for a backstory. The text itself is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoryResult {
    /// How asking for the backstory ended.
    pub ended: Ended,
    /// Its length in Unicode characters.
    pub characters: u32,
    /// How many times the model was asked.
    pub asked: u8,
}

/// The result of a backstory written from part of the profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaledStory {
    /// The stage that wrote it; its variant is the number of profile items.
    pub stage: Stage,
    /// The backstory's result.
    pub story: StoryResult,
}

/// The answers of one module to the cell's questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleResult {
    /// The module and the text it read. For the paper's method this is the module's name alone.
    #[serde(rename = "module")]
    pub stage: Stage,
    /// The answers; `None` where the module gave no valid answer.
    #[serde(deserialize_with = "list::list")]
    pub answers: Vec<Option<Code>>,
    /// How asking for each answer ended.
    pub ended: CodeString<Ended>,
}

/// The predictions of one arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmResult {
    /// The arm's method; its model is the cell's.
    pub method: Method,
    /// The predictions; `None` where there is no valid one.
    #[serde(deserialize_with = "list::list")]
    pub answers: Vec<Option<Code>>,
    /// How each prediction ended.
    pub ended: CodeString<Ended>,
    /// How each prediction was decided.
    pub decided: CodeString<Decided>,
    /// How many times the model was asked for each prediction, counting format reminders but not transport retries.
    #[serde(deserialize_with = "list::list")]
    pub asked: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Fold, ModelId, QuestionId, Respondent};
    use crate::money::{NanoUsd, Tokens};

    pub(super) fn outcome() -> CellOutcome {
        let spend = StageSpend {
            sent: 4,
            answered: 3,
            failed: 1,
            without_usage: 0,
            tokens: Tokens { input: 4500, cached: 1024, output: 390, ..Tokens::default() },
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
                rejections: Vec::new(),
            },
            spend: CellSpend {
                stages: [(Stage::COGNITIVE, spend)].into(),
                reported_models: vec!["gpt-3.5-turbo-0125".to_owned()],
                ..CellSpend::default()
            },
            transcript: None,
        }
    }

    /// The message on the wire. A change here needs a new version and an entry in CHANGELOG.md.
    const ON_THE_WIRE: &str = r#"{"version":1,"run":"r1","cell":{"model":0,"respondent":83811,"fold":2},"result":{"story":{"ended":"a","characters":6943,"asked":1},"modules":[{"module":"cognitive","answers":[2,null],"ended":"ai"}],"arms":[{"method":"valuesim","answers":[2,null],"ended":"rp","decided":"cn","asked":[5,3]}]},"spend":{"stages":{"cognitive":{"sent":4,"answered":3,"failed":1,"without_usage":0,"tokens":{"input":4500,"cached":1024,"output":390},"cost":2835000}},"reported_models":["gpt-3.5-turbo-0125"]}}"#;

    #[test]
    fn the_message_format_is_fixed() {
        assert_eq!(serde_json::to_string(&outcome()).expect("writes"), ON_THE_WIRE);
        assert_eq!(serde_json::from_str::<CellOutcome>(ON_THE_WIRE).expect("reads"), outcome());
    }

    #[test]
    fn what_a_provider_said_to_rejected_prompts_comes_after_the_predictions() {
        let mut with = outcome();
        let call = CallKey::first(Stage::COGNITIVE, QuestionId::new(7));
        let rejection = Rejection { status: Some(422), code: None, said: "unprocessable".to_owned() };
        with.result.rejections.push(RejectedCall { call, rejection });
        let expected = ON_THE_WIRE.replace(
            r#""asked":[5,3]}]}"#,
            r#""asked":[5,3]}],"rejections":[{"call":{"stage":"cognitive","question":"Q7","asked_before":0},"rejection":{"status":422,"said":"unprocessable"}}]}"#,
        );
        assert_eq!(serde_json::to_string(&with).expect("writes"), expected);
        assert_eq!(serde_json::from_str::<CellOutcome>(&expected).expect("reads"), with);
    }

    #[test]
    fn a_transcript_is_the_last_field_if_there_is_one() {
        let with = CellOutcome { transcript: Some(Transcript::from_bytes(vec![1, 2, 3])), ..outcome() };
        let expected = format!(r#"{},"transcript":"AQID"}}"#, ON_THE_WIRE.strip_suffix('}').expect("an object"));
        assert_eq!(serde_json::to_string(&with).expect("writes"), expected);
        assert_eq!(serde_json::from_str::<CellOutcome>(&expected).expect("reads"), with);
    }

    #[test]
    fn unknown_fields_and_unknown_letters_are_refused() {
        for changed in
            [ON_THE_WIRE.replace("\"asked\":1}", "\"asked\":1,\"new\":0}"), ON_THE_WIRE.replace("\"rp\"", "\"rx\"")]
        {
            assert!(serde_json::from_str::<CellOutcome>(&changed).is_err(), "{changed}");
        }
    }
}
