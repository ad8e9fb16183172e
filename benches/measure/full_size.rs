//! A full-size synthetic experiment, and typical outcomes of its cells.

use valuesim_coordinator::plan::Plan;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, Users};
use valuesim_shared::id::{Cell, Code, RunId};
use valuesim_shared::method::{Method, Module};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{
    ArmResult, CellOutcome, CellResult, CellSpend, CodeString, Decided, Ended, ModuleResult, OUTCOME_VERSION,
    StageSpend, StoryResult,
};
use valuesim_shared::stage::Stage;
use valuesim_shared::survey::Survey;
use valuesim_simulator::synth::Synth;

/// Respondents of the official file v6.0; five folds each.
const RESPONDENTS: u32 = 97_220;

/// Held-out questions of a cell.
const QUESTIONS: i32 = 58;

/// The only run of a benchmark.
pub(crate) fn run_id() -> RunId {
    RunId("bench".to_owned())
}

/// An experiment with some or all respondents of a full-size survey.
pub(crate) fn experiment_of(users: Users) -> anyhow::Result<(Experiment, Survey, Plan)> {
    let mut experiment = Experiment { methods: vec![Method::ValueSim], ..Experiment::default() };
    experiment.sample.users = Some(users);
    experiment.models = vec![ModelSettings::named("m")];
    let survey = Synth { respondents: RESPONDENTS, seed: 0 }.survey();
    let plan = Plan::new(&experiment, &survey, &Codebook::built_in())?;
    Ok((experiment, survey, plan))
}

/// A typical outcome of a cell.
pub(crate) fn outcome(cell: Cell) -> CellOutcome {
    let story = StoryResult { ended: Ended::Answered, characters: 3_512, asked: 1 };
    let modules = Module::ALL.map(|module| ModuleResult { stage: module.into(), answers: answers(), ended: ended() });
    let arm = ArmResult {
        method: Method::ValueSim,
        answers: answers(),
        ended: ended(),
        decided: CodeString(answers().iter().map(|_| Decided::Coordinator).collect()),
        asked: answers().iter().map(|_| 4).collect(),
    };
    let result = CellResult {
        story: Some(story),
        scaled_stories: Vec::new(),
        modules: modules.to_vec(),
        arms: vec![arm],
        rejections: Vec::new(),
    };
    CellOutcome { version: OUTCOME_VERSION, run: run_id(), cell, result, spend: spend(), transcript: None }
}

fn answers() -> Vec<Option<Code>> {
    (0..QUESTIONS).map(|question| (question % 20 > 0).then_some(Code(question % 11))).collect()
}

fn ended() -> CodeString<Ended> {
    CodeString(
        (0..QUESTIONS).map(|question| if question % 20 > 0 { Ended::Answered } else { Ended::Invalid }).collect(),
    )
}

fn spend() -> CellSpend {
    let stage = StageSpend {
        sent: 58,
        answered: 58,
        tokens: Tokens { input: 153_210, cached: 120_064, output: 6_790, ..Tokens::default() },
        cost: NanoUsd(86_790_000),
        ..StageSpend::default()
    };
    let stages = [Stage::STORY, Stage::COGNITIVE, Stage::AFFECTIVE, Stage::BEHAVIORAL, Stage::COORDINATOR];
    CellSpend {
        stages: stages.map(|name| (name, stage.clone())).into(),
        reported_models: vec!["a-model-2025-01-01".to_owned()],
        ..CellSpend::default()
    }
}
