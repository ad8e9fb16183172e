//! Writes the notes below the tables: how to read them, and how well methods without a model do.

use std::collections::{BTreeMap, BTreeSet};

use valuesim_shared::codebook::Category;
use valuesim_shared::method::Behaviour;

use super::{RowKind, number, rows};
use crate::grouped::{counted, grouped};
use crate::results::{ArmResults, Comparison, Estimate, IntervalKind, Measure, NoInterval, Results, Rounds, Verdict};
use crate::statistics::Population;

/// How tables show an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntervalStyle {
    /// Half of its width where it is symmetric, both ends where it is not.
    HalfWidth,
    /// Both ends.
    Ends,
}

/// What a reader needs to know to read the tables.
pub(crate) fn notes(results: &Results, style: IntervalStyle) -> Vec<String> {
    let mut notes = vec![how_it_is_scored(results, style), whom_the_intervals_are_for(results)];
    notes.extend(results.rounds.iter().flat_map(Rounds::sentences));
    notes.extend(why_there_is_no_interval(results));
    notes.extend(what_is_missing(results));
    notes.extend(where_the_papers_figures_are(results));
    notes.extend(results.notes.iter().cloned());
    notes
}

fn how_it_is_scored(results: &Results, style: IntervalStyle) -> String {
    let behaviour = match results.behaviour {
        Behaviour::Paper => "only answers that could be parsed count, and every question with options has an error",
        Behaviour::Corrected => {
            "an invalid answer is wrong with error 1, and only questions with a scale have an error"
        }
    };
    let interval = match style {
        IntervalStyle::Ends => "with its 95 % interval",
        IntervalStyle::HalfWidth if all_are_symmetric(results) => "± half of its 95 % interval",
        IntervalStyle::HalfWidth => "± half of its 95 % interval, or with both ends where that is not symmetric",
    };
    format!(
        "Each number is the mean score of {}{}, {interval}. Behaviour {}: {behaviour}. \
         Coverage is the share of valid answers; `-` is unknown.",
        range(results, None).map_or_else(|| people(0), |(least, most)| between(least, most)),
        fewer_in_categories(results),
        results.behaviour
    )
}

/// Whether no score has an interval that is not symmetric.
fn all_are_symmetric(results: &Results) -> bool {
    let mut intervals = estimates(results).filter_map(|estimate| estimate.uncertainty.interval());
    intervals.all(|interval| interval.kind == IntervalKind::StudentT)
}

/// The headline scores of all arms by category and overall.
fn estimates(results: &Results) -> impl Iterator<Item = Estimate> {
    let scores = results.arms.iter().flat_map(|arm| arm.score.categories.values().chain([&arm.score.overall]));
    scores.flat_map(|score| Measure::ALL.map(|measure| score.headline(measure))).flatten()
}

/// The least and the most people of any arm with a score in a category, or overall; `None` if there is no score.
fn range(results: &Results, category: Option<Category>) -> Option<(u64, u64)> {
    let scores = results.arms.iter().filter_map(|arm| arm.score.score(category).headline(Measure::Accuracy));
    let people: Vec<u64> = scores.map(|accuracy| accuracy.persons).collect();
    Some((*people.iter().min()?, *people.iter().max()?))
}

fn between(least: u64, most: u64) -> String {
    if least == most { people(most) } else { format!("{} to {}", grouped(least), people(most)) }
}

/// The categories in which fewer people have a score than overall, with their number.
fn fewer_in_categories(results: &Results) -> String {
    let overall = range(results, None);
    let fewer = Category::ALL.into_iter().filter_map(|category| {
        let (least, most) = range(results, Some(category)).filter(|range| Some(*range) != overall)?;
        Some(format!("{} in {category}", between(least, most)))
    });
    let fewer: Vec<String> = fewer.collect();
    if fewer.is_empty() { String::new() } else { format!(" ({})", fewer.join(", ")) }
}

fn people(number: u64) -> String {
    counted(number, "person", "people")
}

fn whom_the_intervals_are_for(results: &Results) -> String {
    match results.population {
        Population::Unlimited => {
            "The respondents were listed, not drawn: their intervals are those of a random sample of an \
             unlimited number of people like them, and say nothing about the people of the survey file."
                .to_owned()
        }
        Population::Finite(count) if results.missing.persons_scored >= count && count > 0 => {
            format!("Everyone was asked: the scores are those of all {}, and have no intervals.", people(count))
        }
        Population::Finite(count) => {
            let is_stratified = estimates(results).any(|estimate| estimate.stratified_degrees.is_some());
            let by_country = if is_stratified {
                " Each country was drawn by itself and counts by its number of people."
            } else {
                ""
            };
            format!(
                "Intervals are for the mean of the {} from whom the respondents were drawn.{by_country}",
                people(count)
            )
        }
    }
}

fn why_there_is_no_interval(results: &Results) -> Option<String> {
    let reasons: BTreeSet<NoInterval> =
        estimates(results).filter_map(|estimate| estimate.uncertainty.reason()).collect();
    let worth_saying = reasons.into_iter().filter(|reason| *reason != NoInterval::EveryoneWasAsked);
    let reasons: Vec<String> = worth_saying.map(|reason| reason.to_string()).collect();
    (!reasons.is_empty()).then(|| format!("A `-` in place of an interval: {}.", reasons.join(", or ")))
}

fn what_is_missing(results: &Results) -> Option<String> {
    let missing = &results.missing;
    if missing.scored == missing.planned {
        return None;
    }
    let mut note = format!(
        "All arms and baselines are scored over the same {} of {} that every model has finished",
        grouped(missing.scored),
        counted(missing.planned, "pair of respondent and fold", "pairs of respondent and fold"),
    );
    note += &format!(": {} of {}", grouped(missing.persons_scored), people(missing.persons_planned));
    if missing.persons_in_part > 0 {
        note += &format!(", {} of them in part", grouped(missing.persons_in_part));
    }
    for (model, cells) in &missing.finished_and_not_scored {
        note += &format!("; {} of {model} are finished and not scored", counted(*cells, "cell", "cells"));
    }
    if !missing.models_without_cells.is_empty() {
        note += &format!("; no cell is finished of {}", missing.models_without_cells.join(", "));
    }
    Some(note + ".")
}

fn where_the_papers_figures_are(results: &Results) -> Option<String> {
    let any_published = rows(results, Measure::Accuracy).iter().any(|row| row.kind == RowKind::Published);
    any_published.then(|| {
        "Rows `paper` are the paper's published figures: 100 people, scored by the paper's code (behaviour paper), \
         which leaves out replies that it could not parse. Its row `Chance` lies below 1/k of k options: it has what a guess \
         among one option more would score."
            .to_owned()
    })
}

/// How well the best methods without a model do at no cost, and what tests say of the arms that ask one. No reader may miss
/// this.
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
    if results.model_arms().next().is_none() {
        return Some(sentence);
    }
    let of_measure = |(measure, best)| by_verdict(results, measure, best);
    let found = [(Measure::Accuracy, best_accuracy), (Measure::Mae, best_mae)].map(of_measure);
    let all_are_better = |verdicts: &BTreeMap<Verdict, Vec<String>>| verdicts.keys().eq([&Verdict::Better]);
    if found.iter().all(all_are_better) {
        return Some(format!(
            "{sentence} Every arm that asks a model does better (paired tests with Holm's correction)."
        ));
    }
    let said = Measure::ALL.into_iter().zip(&found).map(|(measure, verdicts)| in_words(measure, verdicts));
    Some(format!("{sentence} {}", said.collect::<Vec<_>>().join(" ")))
}

/// The arms that ask a model by the verdict on them against the best baseline. An arm that was not compared has too few people.
fn by_verdict(results: &Results, measure: Measure, best: &ArmResults) -> BTreeMap<Verdict, Vec<String>> {
    let mut arms: BTreeMap<Verdict, Vec<String>> = BTreeMap::new();
    for arm in results.model_arms() {
        let is_it = |comparison: &&Comparison| {
            comparison.arm == arm.arm
                && comparison.against == best.arm
                && comparison.measure == measure
                && comparison.category.is_none()
        };
        let verdict = results.comparisons.iter().find(is_it).map_or(Verdict::TooFewPeople, |found| found.verdict);
        arms.entry(verdict).or_default().push(format!("`{}`", arm.arm));
    }
    arms
}

fn in_words(measure: Measure, verdicts: &BTreeMap<Verdict, Vec<String>>) -> String {
    let said = verdicts.iter().map(|(verdict, arms)| {
        let arms = if verdicts.len() == 1 { "every arm that asks a model".to_owned() } else { arms.join(", ") };
        match verdict {
            Verdict::Better => format!("better than that: {arms}"),
            Verdict::Worse => format!("worse than that: {arms}"),
            Verdict::NotDistinguishable => format!("not distinguishable from that: {arms}"),
            Verdict::TooFewPeople => format!("too few people to judge {arms}"),
        }
    });
    format!("In {}, {}.", measure.name(), said.collect::<Vec<_>>().join("; "))
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
