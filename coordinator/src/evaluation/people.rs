//! How well single people are predicted: how their scores are spread, and who is predicted best and worst.

use super::scored::Scored;
use crate::results::{MAX_PEOPLE_LISTED, Measure, PeopleResults, Person};

/// Bars of the histogram of accuracies.
const BARS: usize = 20;

/// Columns that say who a listed person is.
const ABOUT: [&str; 5] = ["B_COUNTRY", "Q260", "Q262", "Q275", "Q288"];

/// The results of each arm that asks a model.
pub(super) fn people(scored: &Scored<'_>) -> Vec<PeopleResults> {
    scored.model_arms().into_iter().map(|arm| people_of(scored, arm)).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares are between 0 and 1")]
fn people_of(scored: &Scored<'_>, arm: usize) -> PeopleResults {
    let values = scored.values(arm, None, Measure::Accuracy);
    let mut histogram = vec![0; BARS];
    for accuracy in values.iter().filter(|value| !value.is_nan()) {
        histogram[((accuracy * BARS as f64) as usize).min(BARS - 1)] += 1;
    }
    let counted = |at: usize| scored.counts.scorers[arm].people()[at].sums(None, Measure::Accuracy).1;
    let most = (0..values.len()).map(counted).max().unwrap_or(0);
    // Of someone with few answers one knows too little to call them extreme.
    let mut order: Vec<usize> = (0..values.len()).filter(|&at| counted(at) > 0 && 2 * counted(at) >= most).collect();
    order.sort_by(|&one, &other| values[other].total_cmp(&values[one]));
    // Nobody is both among the best and among the worst.
    let listed = MAX_PEOPLE_LISTED.min(order.len() / 2);
    let person = |&at: &usize| person(scored, arm, at);
    PeopleResults {
        arm: scored.arms[arm].arm.clone(),
        accuracy_histogram: histogram,
        best: order.iter().take(listed).map(person).collect(),
        worst: order.iter().rev().take(listed).map(person).collect(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "arms that ask a model have whole counts")]
fn person(scored: &Scored<'_>, arm: usize, at: usize) -> Person {
    let respondent = scored.people[at].respondent;
    let score = &scored.counts.scorers[arm].people()[at];
    let (correct, counted) = score.sums(None, Measure::Accuracy);
    let about = scored.columns.iter().filter(|column| ABOUT.contains(&column.name.as_str())).filter_map(|column| {
        let group = column.group(respondent)?;
        Some((column.title.clone(), column.groups[group].label.clone()))
    });
    Person {
        respondent,
        about: about.collect(),
        counted: counted.into(),
        correct: correct as u64,
        accuracy: correct / f64::from(counted),
        mae: score.score(None, Measure::Mae),
    }
}
