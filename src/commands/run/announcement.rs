//! Announces a run before its first call: what is run, and the estimated calls, tokens and cost.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanCount;
use serde::Serialize;
use valuesim_coordinator::estimate::{EmbeddingEstimate, Estimate, ModelEstimate, Span};
use valuesim_coordinator::facts::facts;
use valuesim_coordinator::outlook::Outlook;
use valuesim_shared::cell;
use valuesim_shared::id::{Fold, Respondent, RunId};
use valuesim_shared::model::ModelSettings;

use super::when::{self, CheapHours};
use crate::age::in_time;
use crate::commands::expectation::Expectation;
use crate::commands::job::Job;
use crate::commands::outlook_text::measured;
use crate::commands::reuse::{Reuse, reuses};
use crate::commands::span_text::{reasons, span_text};
use crate::output::{note, print, print_json, write_event};
use crate::progress::Style;

/// The plan of a run, for people and programs.
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
    /// What the first round takes, if people are asked in rounds: `estimate` is then what all people take.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate_of_first_round: Option<&'a Estimate>,
    estimate: &'a Estimate,
    #[serde(flatten)]
    expectation: Expectation,
    /// What the replies save that earlier runs have kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reuse: Vec<Reuse<'a>>,
    /// What it saves that cells begin in cheap hours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    off_peak: Vec<CheapHours<'a>>,
    /// What is left of a run that was begun before, from the cells that are finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    outlook: Option<Outlook>,
    #[serde(skip)]
    models: &'a [ModelSettings],
}

impl<'a> Announcement<'a> {
    pub(super) fn new(
        job @ Job { run, experiment, codebook, survey, plan, kept: _, when, has_new_budget: _ }: &'a Job,
        (estimate_of_first_round, estimate): (Option<&'a Estimate>, &'a Estimate),
        outlook: Option<Outlook>,
    ) -> Self {
        let arms = experiment.methods.len() as u64 * experiment.models.len() as u64;
        let expectation = Expectation::of(job, estimate);
        Self {
            run,
            facts: facts(experiment, plan, survey, codebook),
            simulated: experiment.simulate.is_some(),
            synthetic_survey: survey.is_synthetic(),
            respondents: plan.respondents(),
            folds: plan.folds(),
            cells: plan.cells(),
            backstories: plan.cells() * cell::backstories(&experiment.methods) as u64,
            predictions_per_arm: plan.predictions_per_arm(),
            predictions: plan.predictions_per_arm() * arms,
            estimate_of_first_round,
            estimate,
            off_peak: when::saved(*when, experiment, estimate),
            expectation,
            reuse: reuses(job, estimate),
            // How many people are left to ask in rounds is not known.
            outlook: outlook.filter(|it| estimate_of_first_round.is_none() && it.models.iter().any(|it| it.left > 0)),
            models: &experiment.models,
        }
    }

    /// Shows the plan before a run, apart from the results.
    pub(super) fn show(&self, style: Style) {
        match style {
            Style::Json => write_event(self),
            Style::Text => note(&self.text()),
        }
    }

    /// Prints the plan as the result of a dry run.
    pub(super) fn print(&self, style: Style) -> anyhow::Result<()> {
        let printed = match style {
            Style::Json => print_json(self),
            Style::Text => print(&format!("{}\n", self.text())),
        };
        printed.map(drop)
    }

    fn text(&self) -> String {
        let mut text = format!("Run {}\n", self.run);
        for fact in &self.facts {
            line(&mut text, fact);
        }
        let at_most = if self.estimate_of_first_round.is_some() { ", at most" } else { "" };
        line(
            &mut text,
            &format!(
                "work{at_most}: {}, {} for each arm ({} in all)",
                counted(self.backstories, "backstory", "backstories"),
                counted(self.predictions_per_arm, "prediction", "predictions"),
                HumanCount(self.predictions)
            ),
        );
        for model in self.estimate_of_first_round.iter().flat_map(|first| &first.models) {
            line(&mut text, &format!("first round: {}", estimate_text(model)));
        }
        for model in &self.estimate.models {
            let all = if at_most.is_empty() { "" } else { "all rounds, at most: " };
            line(&mut text, &format!("{all}{}{}", estimate_text(model), self.time_text(model.takes)));
        }
        if let Some(embeddings) = &self.estimate.embeddings {
            line(&mut text, &embeddings_text(embeddings));
        }
        if let Some(total) = total_text(self.estimate) {
            line(&mut text, &total);
        }
        for outlook in self.outlook.iter().flat_map(|outlook| &outlook.models) {
            for said in measured(outlook, &self.models[outlook.model.0 as usize].name).trim().lines() {
                line(&mut text, said);
            }
        }
        for budget in &self.expectation.budgets {
            line(&mut text, &format!("budget: {}", budget.text()));
        }
        for reuse in &self.reuse {
            for reuse in reuse.texts(self.cells) {
                line(&mut text, &reuse);
            }
        }
        for hours in &self.off_peak {
            line(&mut text, &hours.text());
        }
        for warning in &self.expectation.warnings {
            line(&mut text, &format!("warning: {warning}"));
        }
        if self.predictions > self.predictions_per_arm {
            line(&mut text, &format!("power: the sample {}", self.expectation.power_text()));
        }
        for cheaper in &self.expectation.cheaper {
            line(&mut text, &format!("cheaper: {cheaper}"));
        }
        text
    }

    /// How long a model's calls take. Nobody waits for those of a model in this process as long as for a real one's.
    fn time_text(&self, takes: Duration) -> String {
        if self.simulated { String::new() } else { format!(", about {} within its limits", in_time(takes)) }
    }
}

fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", HumanCount(number), if number == 1 { one } else { several })
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "  {content}").expect("writing to memory does not fail");
}

/// What all models and embeddings cost together; none where there is a single one of them.
pub(in crate::commands) fn total_text(estimate: &Estimate) -> Option<String> {
    let is_one = estimate.models.len() + usize::from(estimate.embeddings.is_some()) == 1;
    let cost = estimate.cost().filter(|_| !is_one)?;
    Some(format!("in all: {} at list price", span_text("", cost, "")))
}

/// What the embeddings take.
pub(in crate::commands) fn embeddings_text(
    EmbeddingEstimate { model, texts, requests, tokens, cost, .. }: &EmbeddingEstimate,
) -> String {
    let cost = cost.map_or_else(|| "price unknown".to_owned(), |cost| format!("{cost} at list price"));
    let [texts, requests, tokens] = [*texts, *requests, *tokens].map(HumanCount);
    format!("{model}: embeddings of {texts} texts, each once, in {requests} requests, about {tokens} tokens in, {cost}")
}

/// What a model's calls take, in one line.
pub(in crate::commands) fn estimate_text(model: &ModelEstimate) -> String {
    let Span { low, likely, high } = model.calls;
    let calls =
        span_text("calls", Span { low: HumanCount(low), likely: HumanCount(likely), high: HumanCount(high) }, "");
    let cost = match model.cost {
        Some(cost) => {
            let cost = span_text("", cost, &reasons(&model.uncertain_by));
            let without = if model.is_measured {
                "with the cache hits of earlier runs, without retries"
            } else {
                "without cache hits and retries"
            };
            format!("{cost} at list price, {without}")
        }
        None => "price unknown".to_owned(),
    };
    let [input, output] = [model.tokens.input, model.tokens.output].map(HumanCount);
    format!("{}: about {calls}, {input} tokens in, {output} out, {cost}", model.model)
}
