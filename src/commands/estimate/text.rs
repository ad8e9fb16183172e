//! An estimate for people.

use indicatif::HumanCount;
use valuesim_coordinator::estimate::{CountedBy, ModelEstimate, Span, StageEstimate};
use valuesim_shared::money::NanoUsd;

use super::{Alone, Said};
use crate::age::in_time;
use crate::columns::columns;
use crate::commands::expectation::BudgetCover;
use crate::commands::outlook_text::measured;
use crate::commands::run::{embeddings_text, estimate_text, total_text};
use crate::commands::span_text::{reasons, span_text};

/// The estimate as text.
pub(super) fn text(
    Said { run, estimate_of_first_round, estimate, alone, reuse, outlook, off_peak, expectation, job }: &Said<'_>,
) -> String {
    let mut text = format!("Estimate of run {run}\n");
    for warning in &expectation.warnings {
        text += &format!("warning: {warning}\n");
    }
    for model in estimate_of_first_round.iter().flat_map(|first| &first.models) {
        text += &format!("\nfirst round: {}\n", estimate_text(model));
    }
    if estimate_of_first_round.is_some() {
        text += "\nAll rounds, at most\n";
    }
    for (place, model) in estimate.models.iter().enumerate() {
        text += &of_model(model);
        text += &by_method(alone, place);
    }
    let embeddings = estimate.embeddings.iter().map(embeddings_text);
    let budgets = expectation.budgets.iter().map(BudgetCover::text);
    for line in embeddings.chain(total_text(estimate)).chain(budgets) {
        text += &format!("\n{line}\n");
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
    text += &format!("\nThe sample {}.\n", expectation.power_text());
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

fn of_model(estimate: &ModelEstimate) -> String {
    let head = ["stage", "calls: low", "likely", "high", "input each", "output each", "cost"].map(str::to_owned);
    let row = |StageEstimate { stage, calls, tokens_per_call: each, cost }: &StageEstimate| {
        let Span { low, likely, high } = *calls;
        [
            stage.name().into_owned(),
            HumanCount(low).to_string(),
            HumanCount(likely).to_string(),
            HumanCount(high).to_string(),
            HumanCount(each.input).to_string(),
            HumanCount(each.output).to_string(),
            money(cost.map(|cost| cost.likely)),
        ]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(estimate.stages.iter().map(row)).collect();
    let cost = estimate.cost.map_or_else(
        || "unknown, because its price is".to_owned(),
        |cost| span_text("", cost, &reasons(&estimate.uncertain_by)),
    );
    format!(
        "\n{}: {cost}, {} tokens in ({} of them cached), {} out, about {} within its limits{}\n{}",
        estimate.model,
        HumanCount(estimate.tokens.input),
        HumanCount(estimate.tokens.cached),
        HumanCount(estimate.tokens.output),
        in_time(estimate.takes),
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

fn money(cost: Option<NanoUsd>) -> String {
    cost.map_or_else(|| "unknown".to_owned(), |cost| cost.to_string())
}
