//! Puts what the calls about each question came to into the cell's result.

use crate::method::Method;
use crate::outcome::{ArmResult, CellResult, CodeString, ModuleResult};
use crate::stage::Stage;

use super::question::{Prediction, QuestionResult};
use super::reading::Asked;
use super::rules::Rules;

/// The result of a cell from the results of its questions, in the fold's order. The caller adds how its backstories came
/// out.
pub fn cell_result(rules: &Rules, questions: &[QuestionResult]) -> CellResult {
    let module_stages = rules.first_stages.iter().filter(|stage| stage.kind().module().is_some());
    let modules =
        module_stages.enumerate().map(|(at, &stage)| module(stage, questions.iter().map(|of| &of.modules[at].1)));
    let arms = rules.recipes.iter().enumerate();
    let arms = arms.map(|(at, &(method, _))| arm(method, questions.iter().map(|of| &of.predictions[at].1)));
    CellResult {
        story: None,
        scaled_stories: Vec::new(),
        modules: modules.collect(),
        arms: arms.collect(),
        rejections: Vec::new(),
    }
}

fn module<'a>(stage: Stage, asked: impl Iterator<Item = &'a Asked> + Clone) -> ModuleResult {
    ModuleResult {
        stage,
        answers: asked.clone().map(|module| module.answer).collect(),
        ended: CodeString(asked.map(|module| module.ended).collect()),
    }
}

fn arm<'a>(method: Method, predictions: impl Iterator<Item = &'a Prediction> + Clone) -> ArmResult {
    ArmResult {
        method,
        answers: predictions.clone().map(|prediction| prediction.answer).collect(),
        ended: CodeString(predictions.clone().map(|prediction| prediction.ended).collect()),
        decided: CodeString(predictions.clone().map(|prediction| prediction.decided).collect()),
        asked: predictions.map(|prediction| prediction.asked).collect(),
    }
}
