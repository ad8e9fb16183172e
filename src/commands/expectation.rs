//! What is known of a run before its first call, besides calls and money: its time, what its sample can show, and what would be
//! cheaper.

use std::time::SystemTime;

use serde::Serialize;
use valuesim_coordinator::estimate::{CallHours, Estimate, ModelEstimate};
use valuesim_coordinator::statistics::{Sample, smallest_difference};
use valuesim_shared::budget::PurseLimit;
use valuesim_shared::day::Day;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::price::{PriceTable, PricedModel};

use super::job::Job;
use super::run::When;

/// How long a model must still be served to be recommended.
const SERVED_FOR_DAYS: u32 = 90;

/// What is known of a run, beside its calls and their price.
#[derive(Debug, Serialize)]
pub(super) struct Expectation {
    /// How long the calls take within the limits, by model, in hours.
    pub(super) hours: Vec<f64>,
    /// The smallest difference in accuracy between two arms that the sample is likely to show; none for too few people.
    pub(super) smallest_difference: Option<f64>,
    /// What would make it cheaper.
    pub(super) cheaper: Vec<String>,
    /// How far the budgets go; none without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) budgets: Vec<BudgetCover>,
    /// Models that their vendors have retired or soon will.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

/// How far a budget goes.
#[derive(Debug, Serialize)]
pub(super) struct BudgetCover {
    /// What it is for.
    pub(super) of: String,
    /// The budget.
    pub(super) limit: NanoUsd,
    /// The likely cost of all that it pays for.
    pub(super) likely: NanoUsd,
}

impl Expectation {
    pub(super) fn of(job: &Job, estimate: &Estimate) -> Self {
        let hours = estimate.models.iter().map(|model| model.takes.as_secs_f64() / 3_600.0).collect();
        Self {
            hours,
            smallest_difference: shown(job),
            cheaper: cheaper(job, estimate),
            budgets: budgets(job, estimate),
            warnings: retirements(&job.experiment),
        }
    }

    /// What the sample can show, for people.
    pub(super) fn power_text(&self) -> String {
        match self.smallest_difference {
            Some(difference) => {
                let points = difference * 100.0;
                format!("shows a difference of {points:.1} points in accuracy between two arms with a chance of 80 %")
            }
            None => "has too few people to show any difference in accuracy between two arms".to_owned(),
        }
    }
}

impl BudgetCover {
    /// The same for people.
    pub(super) fn text(&self) -> String {
        let Self { of, limit, likely } = self;
        let percent = limit.dollars() / likely.dollars() * 100.0;
        if limit >= likely {
            return format!("the budget of {limit} for {of} covers the likely {likely}");
        }
        format!(
            "the budget of {limit} for {of} covers about {percent:.0} % of the likely {likely}: the run stops there"
        )
    }
}

/// How far each budget goes. Of a purse for a model without a price nothing is known.
fn budgets(job: &Job, estimate: &Estimate) -> Vec<BudgetCover> {
    let purses = job.experiment.purses().into_iter();
    let covers = purses.filter_map(|PurseLimit { name, limit, models, .. }| {
        let costs = models.iter().map(|&model| estimate.models[model].cost.map(|cost| cost.likely));
        Some(BudgetCover { of: name, limit, likely: costs.sum::<Option<NanoUsd>>()? })
    });
    covers.collect()
}

/// Warnings about models that their vendors have retired or soon will. Simulated models have no vendor.
fn retirements(experiment: &Experiment) -> Vec<String> {
    let asked = experiment.models.iter().filter(|_| experiment.simulate.is_none());
    let today = Day::of(SystemTime::now());
    asked.filter_map(|model| model.retirement(today)).collect()
}

/// The smallest difference in accuracy that the sample shows with a chance of 80 %; none if it has too few people to show any.
///
/// Two answers to the same question differ in being right by a variance of at most 1/2, when they are independent and right half
/// of the time; a person's difference is the mean over the person's questions. Real arms agree more often, so that less is shown.
fn shown(job: &Job) -> Option<f64> {
    let people = job.plan.respondents().len() as u64;
    let questions = job.plan.predictions_per_arm() as f64 / people.max(1) as f64;
    let deviation = (0.5 / questions.max(1.0)).sqrt();
    // Shares of right answers cannot differ by more than all of them.
    smallest_difference(deviation, Sample::of_unlimited(people)).filter(|difference| *difference <= 1.0)
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
        // What earlier runs read from the cache is in the estimate.
        if !estimate.is_measured
            && price.cached_usd_per_million.is_some_and(|cached| cached < price.input_usd_per_million)
        {
            let cached_percent = price.cached_usd_per_million.unwrap_or_default() / price.input_usd_per_million * 100.0;
            lines.push(format!(
                "what {} reads from its cache costs {cached_percent:.0} % of its input: the estimate counts none yet, for want of earlier runs",
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

/// The cheapest model of the same host for the same calls, if it costs less than two thirds, and will not be retired soon or before
/// the calls end.
fn cheaper_model(
    model: &ModelSettings,
    (estimate, cost): (&ModelEstimate, NanoUsd),
    hours: CallHours,
) -> Option<(String, NanoUsd)> {
    let table = PriceTable::built_in();
    let known = table.find(model.name_at_provider(), model.base_url.as_deref())?;
    let today = Day::of(hours.begin());
    let end = hours.begin().checked_add(estimate.takes).map_or(u32::MAX, |end| Day::of(end).0);
    let days = end.saturating_sub(today.0).max(SERVED_FOR_DAYS);
    let is_served = |other: &&PricedModel| other.retirement(today, days).is_none();
    let others = table.models.iter().filter(|other| other.host == known.host).filter(is_served);
    let others = others.map(|other| (other, estimate.cost_at(&other.price, hours).likely));
    let (other, amount) = others.min_by_key(|(_, amount)| *amount)?;
    let is_much_less = amount.0.saturating_mul(3) < cost.0.saturating_mul(2);
    is_much_less.then(|| (other.name.clone(), amount))
}
