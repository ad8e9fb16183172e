//! What is said before the first call: who, what, how many calls, tokens and dollars.

use std::fmt::Write as _;

use indicatif::HumanCount;
use serde::Serialize;
use valuesim_coordinator::estimate::{Estimate, ModelEstimate, Span};
use valuesim_coordinator::plan::Plan;
use valuesim_shared::cell::needs_backstory;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Fold, Respondent, RunId};
use valuesim_shared::survey::Survey;

use crate::commands::facts::facts;
use crate::progress::{Style, write_json};

/// The plan of a run, for people and machines.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "planned")]
pub(super) struct Announcement<'a> {
    run: &'a RunId,
    facts: Vec<String>,
    simulated: bool,
    synthetic_survey: bool,
    respondents: &'a [Respondent],
    folds: &'a [Fold],
    cells: u64,
    backstories: u64,
    predictions_per_arm: u64,
    predictions: u64,
    estimate: &'a Estimate,
}

impl<'a> Announcement<'a> {
    pub(super) fn new(
        run: &'a RunId,
        experiment: &Experiment,
        plan: &'a Plan,
        survey: &Survey,
        estimate: &'a Estimate,
    ) -> Self {
        let arms = experiment.methods.len() as u64 * experiment.models.len() as u64;
        let any_story = needs_backstory(&experiment.methods);
        Self {
            run,
            facts: facts(experiment, plan, survey),
            simulated: experiment.simulate.is_some(),
            synthetic_survey: survey.is_synthetic(),
            respondents: plan.respondents(),
            folds: plan.folds(),
            cells: plan.cells(),
            backstories: if any_story { plan.cells() } else { 0 },
            predictions_per_arm: plan.predictions_per_arm(),
            predictions: plan.predictions_per_arm() * arms,
            estimate,
        }
    }

    /// Says it before a run, beside the results.
    #[expect(clippy::print_stderr, reason = "what goes before the results is for people, and goes to standard error")]
    pub(super) fn show(&self, style: Style) {
        match style {
            Style::Json => write_json(self),
            Style::Text => eprintln!("{}", self.text()),
        }
    }

    /// Says it as what was asked for.
    #[expect(clippy::print_stdout, reason = "results go to standard output")]
    pub(super) fn show_as_result(&self, style: Style) {
        match style {
            Style::Json => write_json(self),
            Style::Text => println!("{}", self.text()),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("Run {}\n", self.run);
        for fact in &self.facts {
            line(&mut text, fact);
        }
        line(
            &mut text,
            &format!(
                "work: {} backstories, {} predictions for each arm ({} in all)",
                HumanCount(self.backstories),
                HumanCount(self.predictions_per_arm),
                HumanCount(self.predictions)
            ),
        );
        for model in &self.estimate.models {
            line(&mut text, &estimate_text(model));
        }
        text
    }
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "  {content}").expect("writing to memory does not fail");
}

fn estimate_text(model: &ModelEstimate) -> String {
    let Span { low, likely, high } = model.calls;
    let cost = match model.cost {
        Some(cost) => format!(
            "{} ({} to {}, by how often the modules disagree) at list price, without cache hits and retries",
            cost.likely, cost.low, cost.high
        ),
        None => "price unknown".to_owned(),
    };
    format!(
        "{}: about {} calls ({} to {}), {} tokens in, {} out, {cost}",
        model.model,
        HumanCount(likely),
        HumanCount(low),
        HumanCount(high),
        HumanCount(model.tokens.input),
        HumanCount(model.tokens.output),
    )
}
