//! What the rest of a run will take, for people.

use indicatif::HumanCount;
use valuesim_coordinator::estimate::Span;
use valuesim_coordinator::outlook::{Expected, ModelOutlook};

/// What follows from the cells of a model that are finished.
pub(super) fn measured(outlook: &ModelOutlook, model: &str) -> String {
    let ModelOutlook { finished, left, remaining, whole, .. } = outlook;
    format!(
        "\n{model}, from {finished} finished cells:\n  the {left} cells that are left: {}\n  the whole run: {}\n",
        expected(remaining),
        expected(whole)
    )
}

fn expected(Expected { calls, tokens, cost, interval }: &Expected) -> String {
    let interval = interval.map_or_else(
        || ", no interval from one cell".to_owned(),
        |Span { low, high, .. }| format!(" ({low} to {high} with a chance of 90 %)"),
    );
    let [calls, input, cached, output] = [*calls, tokens.input, tokens.cached, tokens.output].map(HumanCount);
    format!("{cost}{interval}, {calls} calls, {input} tokens in, {cached} of them cached, {output} out")
}
