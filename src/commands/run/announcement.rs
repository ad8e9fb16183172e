//! What is said before the first call: who, what, how many calls, tokens and dollars.

use std::fmt::Write as _;

use indicatif::HumanCount;
use serde::Serialize;
use valuesim_coordinator::estimate::{Estimate, ModelEstimate, Span};
use valuesim_coordinator::plan::Plan;
use valuesim_shared::cell::needs_backstory;
use valuesim_shared::experiment::{Experiment, PAPER_SEED, PAPER_USERS, Users};
use valuesim_shared::id::{Fold, Respondent, RunId};
use valuesim_shared::survey::{Release, Survey};

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

/// What is run, one fact a line; the report says it in the same words.
pub(in crate::commands) fn facts(experiment: &Experiment, plan: &Plan, survey: &Survey) -> Vec<String> {
    let models: Vec<&str> = experiment.models.iter().map(|model| model.name.as_str()).collect();
    let methods: Vec<_> = experiment.methods.iter().map(|method| method.name()).collect();
    let simulated = if experiment.simulate.is_some() { " (SIMULATED: replies come from this program)" } else { "" };
    vec![
        survey_fact(experiment, survey),
        sample_fact(experiment, plan, survey),
        folds_fact(experiment, plan),
        format!("methods: {}, in behaviour `{}`", methods.join(", "), experiment.behaviour),
        format!("models: {}{simulated}", models.join(", ")),
    ]
}

fn survey_fact(experiment: &Experiment, survey: &Survey) -> String {
    let rows = HumanCount(survey.respondents() as u64);
    match &experiment.survey.file {
        Some(file) => format!("survey: {}, {rows} respondents, version {:?}", file.display(), survey.edition().version),
        None => format!("survey: SYNTHETIC, {rows} respondents, seed {}", experiment.survey.synthetic_seed),
    }
}

fn sample_fact(experiment: &Experiment, plan: &Plan, survey: &Survey) -> String {
    let sample = &experiment.sample;
    let count = HumanCount(plan.respondents().len() as u64);
    let from = if sample.countries.is_empty() { String::new() } else { format!(" of {}", sample.countries.join(", ")) };
    let papers = survey.edition().release == Release::V6
        && sample.seed == PAPER_SEED
        && sample.users == Some(Users::Count(PAPER_USERS))
        && sample.countries.is_empty();
    match sample.users {
        None => format!("sample: the {count} listed respondents{from}"),
        Some(Users::All) => format!("sample: all {count} respondents{from}"),
        Some(Users::Count(_)) if papers => format!("sample: the paper's {count} respondents (seed {PAPER_SEED})"),
        Some(Users::Count(_)) => format!("sample: {count} respondents{from}, drawn with seed {}", sample.seed),
    }
}

fn folds_fact(experiment: &Experiment, plan: &Plan) -> String {
    let folds: Vec<String> = plan.folds().iter().map(ToString::to_string).collect();
    let held_out = plan.folds().first().map_or(0, |&fold| plan.split().held_out(fold).len());
    let of = experiment.split.folds;
    let seed = experiment.split.seed;
    format!("folds: {} of {of}, each holds out {held_out} questions (seed {seed})", folds.join(", "))
}
