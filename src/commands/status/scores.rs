//! Formats the scores of a run that goes on: a line for each arm, over all questions.

use indicatif::HumanCount;
use valuesim_shared::control::{ArmScores, MeanOverPeople, RunScores};

use crate::columns::{NOTHING, columns};

/// The scores with their 95 % intervals; each line begins with `indent`.
pub(super) fn scores_text(indent: &str, scores: &RunScores) -> String {
    if scores.persons.scored == 0 {
        return format!("{indent}no scores yet: no model has finished a cell, or not all models the same one\n");
    }
    let header = ["arm", "people", "answers", "accuracy", "95 % interval", "MAE", "95 % interval"].map(str::to_owned);
    let rows = scores.arms.iter().map(|arm| row(arm, scores.simulated));
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    format!("{indent}{}\n{}", heading(scores), columns(indent, &rows))
}

fn heading(RunScores { persons, persons_in_part, cells, .. }: &RunScores) -> String {
    let [scored, planned, in_part] = [persons.scored, persons.planned, *persons_in_part].map(HumanCount);
    let cells = [cells.scored, cells.planned].map(HumanCount);
    format!(
        "scores so far, over the {} of {} folds that all models have finished: {scored} of {planned} people, {in_part} of them in part",
        cells[0], cells[1]
    )
}

fn row(arm: &ArmScores, simulated: bool) -> [String; 7] {
    let name = match &arm.model {
        Some(model) if simulated => format!("{} / {model} SIMULATED", arm.method),
        Some(model) => format!("{} / {model}", arm.method),
        None => arm.method.to_string(),
    };
    let overall = &arm.overall;
    let people = overall.accuracy.as_ref().map_or(0, |mean| mean.persons);
    let [people, answers] = [people, overall.answers].map(|count| HumanCount(count).to_string());
    let [accuracy, of_accuracy] = mean(overall.accuracy.as_ref());
    let [mae, of_mae] = mean(overall.mae.as_ref());
    [name, people, answers, accuracy, of_accuracy, mae, of_mae]
}

/// A mean and its interval, or why it has none.
fn mean(mean: Option<&MeanOverPeople>) -> [String; 2] {
    let Some(mean) = mean else { return [NOTHING, NOTHING].map(str::to_owned) };
    let interval = match (&mean.interval, &mean.no_interval) {
        (Some([lower, upper]), _) => format!("{lower:.3} to {upper:.3}"),
        (None, Some(reason)) => reason.clone(),
        (None, None) => NOTHING.to_owned(),
    };
    [format!("{:.3}", mean.mean), interval]
}
