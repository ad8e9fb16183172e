//! An estimate for people.

use std::time::SystemTime;

use indicatif::HumanCount;
use valuesim_coordinator::estimate::{CountedBy, ModelEstimate, Span, StageEstimate};
use valuesim_shared::day::Day;
use valuesim_shared::money::NanoUsd;

use super::{Alone, Said};
use crate::age::in_time;
use crate::columns::columns;
use crate::commands::outlook_text::measured;

/// The estimate as text.
pub(super) fn text(
    said @ Said { run, estimate, alone, reuse, outlook, off_peak, expectation, job }: &Said<'_>,
) -> String {
    let mut text = format!("Estimate of run {run}\n");
    for (model, (estimate, hours)) in estimate.models.iter().zip(&expectation.hours).enumerate() {
        text += &of_model(estimate, *hours, said);
        text += &by_method(alone, model);
    }
    for line in reuse.iter().flat_map(|reuse| reuse.texts(job.plan.cells())) {
        text += &format!("\n{line}\n");
    }
    for outlook in outlook.iter().flat_map(|outlook| &outlook.models) {
        text += &measured(outlook, &job.experiment.models[outlook.model.0 as usize].name);
    }
    for hours in off_peak {
        text += &format!("\n{}\n", hours.text());
    }
    if let Some(power) = expectation.power_text() {
        text += &format!("\nThe sample {power}.\n");
    }
    if !expectation.cheaper.is_empty() {
        text += "\nCheaper\n";
        expectation.cheaper.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    text
}

/// What each method takes at a model without the others.
fn by_method(alone: &[Alone], model: usize) -> String {
    if alone.is_empty() {
        return String::new();
    }
    let head = ["method alone", "calls", "tokens in", "tokens out", "cost"].map(str::to_owned);
    let row = |Alone { method, estimate }: &Alone| {
        let of_model = &estimate.models[model];
        [
            method.clone(),
            HumanCount(of_model.calls.likely).to_string(),
            HumanCount(of_model.tokens.input).to_string(),
            HumanCount(of_model.tokens.output).to_string(),
            money(of_model.cost.map(|cost| cost.likely)),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(alone.iter().map(row)).collect();
    columns("  ", &rows)
}

fn of_model(estimate: &ModelEstimate, hours: f64, said: &Said<'_>) -> String {
    let head = ["stage", "calls: low", "likely", "high", "input each", "output each", "cost"].map(str::to_owned);
    let model = said.job.experiment.models.iter().find(|model| model.name == estimate.model);
    let price = model.and_then(|model| model.price.as_ref());
    let today = Day::of(SystemTime::now());
    let row = |StageEstimate { stage, calls, tokens_per_call: each }: &StageEstimate| {
        let Span { low, likely, high } = *calls;
        let cost = price.map(|price| price.dearest_rates(each.input, today, 7).cost(*each).times(likely));
        [
            stage.name().into_owned(),
            HumanCount(low).to_string(),
            HumanCount(likely).to_string(),
            HumanCount(high).to_string(),
            HumanCount(each.input).to_string(),
            HumanCount(each.output).to_string(),
            money(cost),
        ]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(estimate.stages.iter().map(row)).collect();
    let cost = estimate.cost.map_or_else(|| "unknown, because its price is".to_owned(), |cost| span(&cost));
    format!(
        "\n{}: {cost}, {} tokens in ({} of them cached), {} out, about {} within its limits{}\n{}",
        estimate.model,
        HumanCount(estimate.tokens.input),
        HumanCount(estimate.tokens.cached),
        HumanCount(estimate.tokens.output),
        in_time(hours),
        counted(estimate.counted_by),
        columns("  ", &rows)
    )
}

/// How the tokens of the prompts are known.
const fn counted(by: CountedBy) -> &'static str {
    match by {
        CountedBy::EarlierRuns => "; as long as in earlier runs",
        CountedBy::Tokenizer => "; prompts counted by the model's tokenizer",
        CountedBy::Length => "; prompts counted by their length",
    }
}

fn span(Span { low, likely, high }: &Span<NanoUsd>) -> String {
    if low == high { likely.to_string() } else { format!("{likely} ({low} to {high})") }
}

fn money(cost: Option<NanoUsd>) -> String {
    cost.map_or_else(|| "unknown".to_owned(), |cost| cost.to_string())
}
