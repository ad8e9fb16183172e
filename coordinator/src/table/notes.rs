//! Writes the notes below the tables: how to read them, and how well methods without a model do.

use valuesim_shared::method::Behaviour;

use super::{RowKind, number, rows};
use crate::grouped::grouped;
use crate::results::{ArmResults, Measure, Results};
use crate::statistics::Population;

/// What a reader needs to know to read the tables.
pub(crate) fn notes(results: &Results) -> Vec<String> {
    let mut notes = vec![how_it_is_scored(results)];
    notes.extend(whom_the_intervals_are_for(results));
    let any_published = rows(results, Measure::Accuracy).iter().any(|row| row.kind == RowKind::Published);
    if any_published {
        notes.push(
            "Rows `paper` are the paper's published figures: 100 people, scored by the paper's code (behaviour paper), \
             which leaves out replies that it could not parse."
                .to_owned(),
        );
    }
    notes
}

fn how_it_is_scored(results: &Results) -> String {
    let counts: Vec<u64> = results.arms.iter().map(|arm| arm.score.respondents).collect();
    let (least, most) = (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let respondents = if least == most { people(most) } else { format!("{} to {}", grouped(least), people(most)) };
    let behaviour = match results.behaviour {
        Behaviour::Paper => "only answers that could be parsed count, and every question with options has an error",
        Behaviour::Corrected => {
            "an invalid answer is wrong with error 1, and only questions with a scale have an error"
        }
    };
    format!(
        "Each number is the mean score of {respondents}, ± half of its 95 % interval. Behaviour {}: {behaviour}. \
         Coverage is the share of valid answers; `-` is unknown.",
        results.behaviour
    )
}

fn people(number: u64) -> String {
    if number == 1 { "1 person".to_owned() } else { format!("{} people", grouped(number)) }
}

fn whom_the_intervals_are_for(results: &Results) -> Option<String> {
    match results.population {
        Population::Unlimited => None,
        Population::Finite(count) => {
            Some(format!("Intervals are for the mean of the {} from whom the respondents were drawn.", people(count)))
        }
    }
}

/// How well the best methods without a model do at no cost, and which arms do no better. No reader may miss this.
pub(crate) fn without_a_model(results: &Results) -> Option<String> {
    let [accuracy, mae] = Measure::ALL.map(|measure| best_without_model(results, measure));
    let ((best_accuracy, accuracy), (best_mae, mae)) = (accuracy?, mae?);
    let sentence = format!(
        "Without any model and at no cost, `{}` reaches an accuracy of {} and `{}` an MAE of {}.",
        best_accuracy.arm,
        number(Some(accuracy)),
        best_mae.arm,
        number(Some(mae)),
    );
    let not_better = [
        (arms_not_better(results, Measure::Accuracy, accuracy), "accuracy"),
        (arms_not_better(results, Measure::Mae, mae), "MAE"),
    ];
    let not_better = not_better.into_iter().filter(|(arms, _)| !arms.is_empty());
    let not_better: Vec<String> = not_better.map(|(arms, name)| format!("in {name}: {}", arms.join(", "))).collect();
    if results.model_arms().next().is_none() {
        return Some(sentence);
    }
    Some(match not_better.as_slice() {
        [] => format!("{sentence} Every arm that asks a model does better."),
        arms => format!("{sentence} Arms that do no better {}.", arms.join("; ")),
    })
}

fn best_without_model(results: &Results, measure: Measure) -> Option<(&ArmResults, f64)> {
    let mut best: Option<(&ArmResults, f64)> = None;
    for arm in results.no_model_arms() {
        let Some(score) = arm.score.overall.headline(measure).map(|estimate| estimate.mean) else { continue };
        if best.is_none_or(|(_, so_far)| measure.is_better(score, so_far)) {
            best = Some((arm, score));
        }
    }
    best
}

fn arms_not_better(results: &Results, measure: Measure, than: f64) -> Vec<String> {
    let not_better = |arm: &&ArmResults| {
        arm.score.overall.headline(measure).is_some_and(|score| !measure.is_better(score.mean, than))
    };
    results.model_arms().filter(not_better).map(|arm| format!("`{}`", arm.arm)).collect()
}
