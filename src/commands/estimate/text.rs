//! An estimate for people.

use indicatif::HumanCount;
use valuesim_coordinator::estimate::{ModelEstimate, Span, StageEstimate};
use valuesim_shared::money::NanoUsd;

use super::Expectation;
use crate::columns::columns;
use crate::commands::outlook_text::measured;

/// The estimate as text.
pub(super) fn text(expectation: &Expectation<'_>) -> String {
    let mut text = format!("Estimate of run {}\n", expectation.run);
    for (estimate, hours) in expectation.estimate.models.iter().zip(&expectation.hours) {
        text += &of_model(estimate, *hours, expectation);
    }
    for outlook in expectation.outlook.iter().flat_map(|outlook| &outlook.models) {
        text += &measured(outlook, &expectation.job.experiment.models[outlook.model.0 as usize].name);
    }
    if let Some(difference) = expectation.smallest_difference {
        let points = difference * 100.0;
        text += &format!(
            "\nThe sample shows a difference of {points:.1} points in accuracy between two arms with a chance of 80 %.\n"
        );
    }
    if !expectation.cheaper.is_empty() {
        text += "\nCheaper\n";
        expectation.cheaper.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    text
}

fn of_model(estimate: &ModelEstimate, hours: f64, expectation: &Expectation<'_>) -> String {
    let head = ["stage", "calls: low", "likely", "high", "input each", "output each", "cost"].map(str::to_owned);
    let model = expectation.job.experiment.models.iter().find(|model| model.name == estimate.model);
    let price = model.and_then(|model| model.price.as_ref());
    let row = |StageEstimate { stage, calls, tokens_per_call: each }: &StageEstimate| {
        let Span { low, likely, high } = *calls;
        let cost = price.map(|price| price.dearest_rates(each.input).cost(*each).times(likely));
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
        "\n{}: {cost}, {} tokens in ({} of them cached), {} out, about {hours:.1} hours within its limits{}\n{}",
        estimate.model,
        HumanCount(estimate.tokens.input),
        HumanCount(estimate.tokens.cached),
        HumanCount(estimate.tokens.output),
        if estimate.is_measured { "; as long as in earlier runs" } else { "" },
        columns("  ", &rows)
    )
}

fn span(Span { low, likely, high }: &Span<NanoUsd>) -> String {
    if low == high { likely.to_string() } else { format!("{likely} ({low} to {high})") }
}

fn money(cost: Option<NanoUsd>) -> String {
    cost.map_or_else(|| "unknown".to_owned(), |cost| cost.to_string())
}
