//! Whatever models reply, the outcome fits; whatever is changed in it afterwards, it does not.

use std::collections::HashMap;

use proptest::prelude::*;
use valuesim_shared::call::{CallKey, Rejection, ReplyText};
use valuesim_shared::cell::{MissingStories, Next, Rules, next};
use valuesim_shared::experiment::{Experiment, Users};
use valuesim_shared::id::{Country, ModelId, QuestionId, RunId};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{OUTCOME_VERSION, ScaledStory, StoryResult};
use valuesim_shared::survey::SurveyBuilder;

use super::*;
use crate::fixture::codebook;

/// A run of one person.
pub(crate) struct Run {
    experiment: Experiment,
    pub(crate) plan: Plan,
    codebook: Codebook,
}

impl Run {
    pub(crate) fn new(methods: &[Method], behaviour: Behaviour) -> Self {
        let mut experiment = Experiment { methods: methods.to_vec(), behaviour, ..Experiment::default() };
        experiment.models = vec![ModelSettings::named("m")];
        experiment.sample.users = Some(Users::All);
        let codebook = codebook();
        let mut survey = SurveyBuilder::new();
        survey.push(Country(36), &[Code(1); 290]);
        let plan = Plan::new(&experiment, &survey.finish("test"), &codebook).expect("a plan");
        Self { experiment, plan, codebook }
    }

    pub(crate) fn cell(&self) -> Cell {
        self.plan.cells_of(ModelId(0)).next().expect("there is one")
    }

    pub(crate) fn rules(&self) -> OutcomeRules {
        OutcomeRules::new((&self.experiment.methods, self.experiment.behaviour), &self.plan, &self.codebook)
    }

    /// What the workers make of these replies, which are used in turn. `missing` backstories were not written.
    pub(crate) fn outcome(&self, replies: &[ReplyText], missing: &MissingStories) -> CellOutcome {
        let rules = Rules::new(self.experiment.behaviour, &self.experiment.methods, Some(400));
        let asked = self.plan.split().asked(self.cell().fold).iter().map(|&id| self.codebook.question(id));
        let mut given: HashMap<CallKey, ReplyText> = HashMap::new();
        let mut replies = replies.iter().cycle();
        let mut result = loop {
            match next(&rules, asked.clone(), missing, &given) {
                Next::Done(result) => break result,
                Next::Calls(calls) => {
                    for call in calls {
                        given.insert(call.key, replies.next().expect("there is one").clone());
                    }
                }
            }
        };
        let story = StoryResult { ended: Ended::Answered, characters: 900, asked: 1 };
        result.story = needs_backstory(&self.experiment.methods).then(|| story.clone());
        result.scaled_stories =
            rules.scaled_stories().into_iter().map(|stage| ScaledStory { stage, story: story.clone() }).collect();
        let mut spend = CellSpend::default();
        for key in given.keys() {
            let call = StageSpend { sent: 1, answered: 1, cost: NanoUsd(1_000), ..StageSpend::default() };
            spend.stages.entry(key.stage).or_default().add(&call);
        }
        let run = RunId("r1".to_owned());
        CellOutcome { version: OUTCOME_VERSION, run, cell: self.cell(), result, spend, transcript: None }
    }
}

fn all_methods() -> Vec<Method> {
    [&Method::WITH_MODEL[..], &[Method::ProfileScale(58), Method::ProfileScale(0)]].concat()
}

fn reply() -> impl Strategy<Value = ReplyText> {
    let text = prop_oneof![
        (0_u32..14).prop_map(|code| format!("Answer: {code}\nAnalysis: because")),
        Just("Answer: 9999".to_owned()),
        Just("I do not know".to_owned()),
        "[ -~]{0,20}",
    ];
    let said = (text, any::<bool>()).prop_map(|(content, cut_off)| ReplyText::Text { content, cut_off });
    prop_oneof![6 => said, 1 => Just(ReplyText::Refused), 1 => Just(ReplyText::TooLong), 1 => Just(ReplyText::Rejected)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_workers_make_of_any_replies_fits(
        replies in prop::collection::vec(reply(), 1..40),
        is_paper in any::<bool>(),
        is_missing in any::<bool>(),
    ) {
        let behaviour = if is_paper { Behaviour::Paper } else { Behaviour::Corrected };
        let run = Run::new(&all_methods(), behaviour);
        let missing = MissingStories(if is_missing { vec![Stage::STORY] } else { Vec::new() });
        let misfits = run.rules().misfits(&run.outcome(&replies, &missing));
        prop_assert!(misfits.is_empty(), "{misfits:?}");
    }
}

pub(crate) fn said(code: i32) -> ReplyText {
    ReplyText::Text { content: format!("Answer: {code}\nAnalysis: because"), cut_off: false }
}

/// Checks that a changed outcome of `valuesim` and `average` is refused, and why.
#[track_caller]
fn check(change: impl FnOnce(&mut CellOutcome), expected: &str) {
    let run = Run::new(&[Method::ValueSim, Method::Average], Behaviour::Corrected);
    let mut outcome = run.outcome(&[said(1), said(2)], &MissingStories(Vec::new()));
    assert_eq!(run.rules().misfits(&outcome), [""; 0]);
    change(&mut outcome);
    let misfits = run.rules().misfits(&outcome);
    assert!(misfits.iter().any(|misfit| misfit.contains(expected)), "{expected:?} is not in {misfits:?}");
}

#[test]
fn outcomes_of_other_shapes_are_refused() {
    check(|outcome| drop(outcome.result.arms.pop()), "a result of average is missing");
    check(|outcome| outcome.result.arms.clear(), "a result of valuesim is missing");
    check(|outcome| outcome.result.arms[1] = outcome.result.arms[0].clone(), "a result of valuesim is there twice");
    check(|outcome| outcome.result.arms[0].method = Method::NoCab, "no-cab is not part of the experiment");
    check(|outcome| drop(outcome.result.modules.pop()), "an answer of module behavioral is missing");
    check(|outcome| outcome.result.modules[0].stage = Stage::FULL_INFO, "full_info is not part of the experiment");
    check(|outcome| outcome.result.modules[0].answers.truncate(10), "cognitive has 10 answers, expected ");
    check(|outcome| outcome.result.modules[0].ended.0.clear(), "cognitive has 0 answers, expected ");
    check(|outcome| outcome.result.arms[0].answers.truncate(10), "valuesim has 10 answers, expected ");
    check(|outcome| outcome.result.arms[0].asked.push(1), "valuesim has ");
    check(|outcome| outcome.result.story = None, "it has 0 backstory, expected one");
    let story = StoryResult { ended: Ended::Answered, characters: 9, asked: 1 };
    let scaled = ScaledStory { stage: Stage::STORY, story };
    check(|outcome| outcome.result.scaled_stories.push(scaled), "a backstory story is not part of the experiment");
}

#[test]
fn impossible_answers_are_refused() {
    let nines = |answers: &mut Vec<Option<Code>>| answers.iter_mut().for_each(|answer| *answer = Some(Code(9999)));
    check(|outcome| nines(&mut outcome.result.arms[0].answers), "has no code 9999");
    check(|outcome| nines(&mut outcome.result.modules[0].answers), "has no code 9999");
    check(|outcome| nines(&mut outcome.result.arms[1].answers), "does not follow from the answers");
    check(|outcome| outcome.result.arms[0].answers[0] = Some(Code(-1)), "has no code -1");
    check(|outcome| outcome.result.arms[0].answers[0] = None, "has no answer, but asking ended as answered");
    check(|outcome| outcome.result.arms[0].ended.0[0] = Ended::Refused, "has an answer, but asking ended as refused");
    check(|outcome| outcome.result.arms[0].decided.0[0] = Decided::Direct, "decided as direct, does not follow");
    check(|outcome| outcome.result.arms[0].asked[0] = 200, "does not follow");
}

#[test]
fn what_a_provider_said_is_bounded_and_belongs_to_a_call_of_the_cell() {
    let rejected = |stage, question: u16, said: &str| RejectedCall {
        call: CallKey::first(stage, QuestionId::new(question)),
        rejection: Rejection { status: Some(422), code: None, said: said.to_owned() },
    };
    let add = |calls: Vec<RejectedCall>| move |outcome: &mut CellOutcome| outcome.result.rejections = calls;
    check(add(vec![rejected(Stage::NO_CAB, 0, "no")]), "a call of no_cab was rejected that no method");
    check(add(vec![rejected(Stage::STORY, 0, &"n".repeat(201))]), "story: more of a rejection was kept");
    let twice = vec![rejected(Stage::STORY, 0, "no"), rejected(Stage::STORY, 0, "never")];
    check(add(twice), "story: a call was rejected twice");
}

#[test]
fn impossible_spend_is_refused() {
    let spent = |stage, spend: StageSpend| {
        move |outcome: &mut CellOutcome| {
            outcome.spend.stages.insert(stage, spend);
        }
    };
    let one = StageSpend { sent: 1, ..StageSpend::default() };
    check(spent(Stage::NO_CAB, one.clone()), "it spent on no_cab, which no method of the run asks");
    check(spent(Stage::STORY, StageSpend { sent: u64::MAX, ..one.clone() }), "what it spent on story is impossible");
    check(spent(Stage::STORY, StageSpend { cost: NanoUsd(u64::MAX), ..one }), "what it spent on story is impossible");
    let long = |outcome: &mut CellOutcome| outcome.spend.reported_models.push("m".repeat(9_999));
    check(long, "its list of models is too long");
}
