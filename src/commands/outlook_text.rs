//! What the rest of a run will take, for people.

use indicatif::HumanCount;
use valuesim_coordinator::estimate::Span;
use valuesim_coordinator::outlook::{Expected, ModelOutlook};

/// What follows from the cells of a model that are finished.
pub(super) fn measured(outlook: &ModelOutlook, model: &str) -> String {
    let ModelOutlook { finished, taken_over, left, left_to_take_over, is_cost_known, remaining, whole, .. } = outlook;
    let paid = finished - taken_over;
    let of_which = if *left_to_take_over > 0 {
        format!(", of which {left_to_take_over} will be taken over and cost nothing")
    } else {
        String::new()
    };
    let to_ask = left - left_to_take_over;
    if paid == 0 && to_ask > 0 {
        return format!(
            "\n{model}: the {finished} finished cells were taken over and cost nothing, so what the {to_ask} that are left cost is unknown\n"
        );
    }
    let besides = if *taken_over > 0 { format!(" besides {taken_over} that were taken over") } else { String::new() };
    let why_unknown = if *is_cost_known {
        ""
    } else {
        "  The cost is not known: the price is unknown, or replies came without their usage, which are not in the tokens either\n"
    };
    let expected = |expected| expected_text(expected, *is_cost_known);
    let rest = match left {
        0 => "nothing is left".to_owned(),
        1 => format!("the 1 cell that is left{of_which}: {}", expected(remaining)),
        _ => format!("the {left} cells that are left{of_which}: {}", expected(remaining)),
    };
    let cells = if paid == 1 { "cell" } else { "cells" };
    format!(
        "\n{model}, from {paid} finished {cells}{besides}:\n  {rest}\n  the whole run: {}\n{why_unknown}",
        expected(whole)
    )
}

fn expected_text(Expected { calls, tokens, cost, interval }: &Expected, is_cost_known: bool) -> String {
    let cost = match interval {
        _ if !is_cost_known => "cost not known".to_owned(),
        None => format!("{cost}, no interval from one cell"),
        Some(Span { low, high, .. }) if low == high => cost.to_string(),
        Some(Span { low, high, .. }) => format!("{cost} ({low} to {high} with a chance of 90 %)"),
    };
    let [calls, input, cached, output] = [*calls, tokens.input, tokens.cached, tokens.output].map(HumanCount);
    format!("{cost}, {calls} calls, {input} tokens in, {cached} of them cached, {output} out")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use valuesim_shared::id::ModelId;
    use valuesim_shared::money::{NanoUsd, Tokens};

    use super::*;

    #[test]
    fn one_cell_is_one_and_none_is_nothing() {
        let cost = NanoUsd(1_000_000_000);
        let paid = |interval| Expected { calls: 1, tokens: Tokens::default(), cost, interval };
        let outlook = |left| ModelOutlook {
            model: ModelId(0),
            finished: 1,
            taken_over: 0,
            left,
            left_to_take_over: 0,
            stages: BTreeMap::new(),
            is_cost_known: true,
            remaining: paid(None),
            whole: paid(Some(Span { low: cost, likely: cost, high: cost })),
        };
        let one = measured(&outlook(1), "m");
        assert!(
            one.contains("from 1 finished cell:\n  the 1 cell that is left: $1.00, no interval from one cell,"),
            "{one}"
        );
        let none = measured(&outlook(0), "m");
        assert!(none.contains("  nothing is left\n  the whole run: $1.00, 1 calls"), "{none}");
    }

    #[test]
    fn cells_that_cost_nothing_leave_the_rest_unknown() {
        let unknown = Expected { calls: 0, tokens: Tokens::default(), cost: NanoUsd(0), interval: None };
        let (stages, remaining, whole) = (BTreeMap::new(), unknown, unknown);
        let outlook = ModelOutlook {
            model: ModelId(0),
            finished: 100,
            taken_over: 100,
            left: 900,
            left_to_take_over: 0,
            stages,
            is_cost_known: true,
            remaining,
            whole,
        };
        insta::assert_snapshot!(measured(&outlook, "m").trim(), @"m: the 100 finished cells were taken over and cost nothing, so what the 900 that are left cost is unknown");
    }
}
