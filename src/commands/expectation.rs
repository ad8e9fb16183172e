//! What is known of a run before its first call, besides calls and money: its time, what its sample can show, and what would be
//! cheaper.

use serde::Serialize;
use valuesim_coordinator::estimate::{CallHours, Estimate, ModelEstimate};
use valuesim_coordinator::statistics::{Sample, smallest_difference};
use valuesim_shared::day::Day;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::price::PriceTable;

use super::job::Job;
use super::run::When;

/// What is known of a run, beside its calls and their price.
#[derive(Debug, Serialize)]
pub(super) struct Expectation {
    /// How long the calls take within the limits, by model, in hours.
    pub(super) hours: Vec<f64>,
    /// The smallest difference in accuracy between two arms that the sample is likely to show; none for one person.
    pub(super) smallest_difference: Option<f64>,
    /// What would make it cheaper.
    pub(super) cheaper: Vec<String>,
}

impl Expectation {
    pub(super) fn of(job: &Job, estimate: &Estimate) -> Self {
        let hours = estimate.models.iter().map(|model| model.takes.as_secs_f64() / 3_600.0).collect();
        Self { hours, smallest_difference: shown(job), cheaper: cheaper(job, estimate) }
    }

    /// What the sample can show, for people.
    pub(super) fn power_text(&self) -> Option<String> {
        let points = self.smallest_difference? * 100.0;
        Some(format!("shows a difference of {points:.1} points in accuracy between two arms with a chance of 80 %"))
    }
}

/// The smallest difference in accuracy that the sample shows with a chance of 80 %.
///
/// Two answers to the same question differ in being right by a variance of at most 1/2, when they are independent and right half
/// of the time; a person's difference is the mean over the person's questions. Real arms agree more often, so that less is shown.
fn shown(job: &Job) -> Option<f64> {
    let people = job.plan.respondents().len() as u64;
    let questions = job.plan.predictions_per_arm() as f64 / people.max(1) as f64;
    let deviation = (0.5 / questions.max(1.0)).sqrt();
    smallest_difference(deviation, Sample::of_unlimited(people))
}

/// What would make the run cheaper, the largest part first.
fn cheaper(job: &Job, estimate: &Estimate) -> Vec<String> {
    let mut lines = Vec::new();
    for (model, estimate) in job.experiment.models.iter().zip(&estimate.models) {
        let (Some(price), Some(cost)) = (&model.price, estimate.cost) else { continue };
        if let Some((name, other)) = cheaper_model(model, (estimate, cost.likely), job.when.call_hours()) {
            lines.push(format!(
                "{name} at the same host costs {other} for the tokens for which {} costs {}",
                model.name, cost.likely
            ));
        }
        if job.when == When::Any && price.variants.iter().any(|variant| !variant.hours.is_empty()) {
            lines.push(format!("{} has cheap hours: --when off-peak begins cells in them alone", model.name));
        }
        if price.cached_usd_per_million.is_some_and(|cached| cached < price.input_usd_per_million) {
            let cached = price.cached_usd_per_million.unwrap_or_default() / price.input_usd_per_million * 100.0;
            lines.push(format!(
                "what {} reads from its cache costs {cached:.0} % of its input: the estimate counts none",
                model.name
            ));
        }
    }
    if estimate.models.iter().all(|model| model.cost.is_none()) {
        return lines;
    }
    let (folds, people) = (job.plan.folds().len(), job.plan.respondents().len());
    if folds > 1 {
        lines.push(format!(
            "--folds 1 asks the same people about one of the {folds} folds, for about 1/{folds} of the cost"
        ));
    }
    if people > 1 {
        lines.push("half of the people cost half, and show differences that are 1.4 times as large".to_owned());
    }
    lines
}

/// The cheapest model of the same host for the same calls, if it costs less than two thirds and is not retired.
fn cheaper_model(
    model: &ModelSettings,
    (estimate, cost): (&ModelEstimate, NanoUsd),
    hours: CallHours,
) -> Option<(String, NanoUsd)> {
    let table = PriceTable::built_in();
    let known = table.find(model.name_at_provider(), model.base_url.as_deref())?;
    let today = Day::of(hours.begin());
    let others =
        table.models.iter().filter(|other| other.host == known.host && other.retires.is_none_or(|day| day > today));
    let others = others.map(|other| (other, estimate.cost_at(&other.price, hours).likely));
    let (other, amount) = others.min_by_key(|(_, amount)| *amount)?;
    let is_much_less = amount.0.saturating_mul(3) < cost.0.saturating_mul(2);
    is_much_less.then(|| (other.name.clone(), amount))
}
