//! A row for each score of `results.json`: of everybody by category, and of groups of people.

use crate::parquet_table::{Column, Kind, Value};
use crate::results::{ArmResults, Estimate, IntervalKind, Measure, NoInterval, Results, Score, Uncertainty};

/// The table's name.
pub(crate) const TABLE: &str = "scores";

/// What the scores over all questions have for a category.
pub(super) const OVERALL: &str = "Overall";

/// Its columns, in the order of a row's values.
pub(crate) const COLUMNS: &[Column] = &[
    Column::required("arm", Kind::Text, "method and model: `valuesim / gpt-3.5-turbo`"),
    Column::required("method", Kind::Text, "the method alone"),
    Column::required("model", Kind::Text, "the model alone; empty for baselines"),
    Column::optional("by", Kind::Text, "the survey file's column that makes the group; null for everybody"),
    Column::optional("group", Kind::Text, "the group's value in that column; null for everybody"),
    Column::required("category", Kind::Text, "column of the tables, or `Overall`"),
    Column::required("measure", Kind::Text, "`accuracy` or `mae`"),
    Column::required("estimator", Kind::Text, "`per person` (the headline), `weighted` or `pooled`"),
    Column::required("people", Kind::Int64, "people whom the estimate is from"),
    Column::required("estimate", Kind::Double, "a share from 0 to 1; an MAE may exceed 1 in behaviour `paper`"),
    Column::optional("standard_error", Kind::Double, "in the same unit; null for one person"),
    Column::optional("lower", Kind::Double, "lower end of the 95 % interval; null where there is none"),
    Column::optional("upper", Kind::Double, "its upper end"),
    Column::required("interval", Kind::Text, "`student t`, `wilson`, `logit`, or why there is none"),
    Column::optional("counted", Kind::Int64, "predictions that count for the measure; null for groups"),
    Column::optional("coverage", Kind::Double, "share of valid answers, 0 to 1; null for groups"),
    Column::required("simulated", Kind::Flag, "whether the replies of the run came from the simulated provider"),
];

/// What a score is of.
#[derive(Clone, Copy)]
struct Of<'a> {
    arm: [&'a str; 3],
    group: Option<[&'a str; 2]>,
    category: &'static str,
    measure: Measure,
    /// Predictions that count for the measure, and the share of valid answers.
    counts: Option<(u64, Option<f64>)>,
    simulated: bool,
}

/// Hands over the rows: arm by arm, everybody before groups.
pub(crate) fn each<E>(results: &Results, mut row: impl FnMut(&[Value<'_>]) -> Result<(), E>) -> Result<(), E> {
    for (at, arm) in results.arms.iter().enumerate() {
        let names = [arm.arm.to_string(), arm.arm.method.to_string(), arm.arm.model.clone().unwrap_or_default()];
        let names = [&*names[0], &*names[1], &*names[2]];
        of_everybody(results, (names, arm), &mut row)?;
        of_groups(results, (names, at), &mut row)?;
    }
    Ok(())
}

fn of_everybody<E>(
    results: &Results,
    (arm, scores): ([&str; 3], &ArmResults),
    row: &mut impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    let categories = scores.score.categories.iter().map(|(category, score)| (category.name(), score));
    for (category, score) in [(OVERALL, &scores.score.overall)].into_iter().chain(categories) {
        for measure in Measure::ALL {
            let counted = if measure == Measure::Accuracy { score.counted } else { score.measured };
            let counts = Some((counted, score.coverage));
            let of = Of { arm, group: None, category, measure, counts, simulated: results.simulated };
            for (estimator, estimate) in estimators(score, measure) {
                of_estimate(of, estimator, estimate, row)?;
            }
        }
    }
    Ok(())
}

fn estimators(score: &Score, measure: Measure) -> impl Iterator<Item = (&'static str, Estimate)> {
    let pooled = if measure == Measure::Accuracy { score.pooled.accuracy } else { score.pooled.mae };
    let weighted = score.weighted.and_then(|weighted| weighted.means.of(measure));
    let all = [("per person", score.per_person.of(measure)), ("weighted", weighted), ("pooled", pooled)];
    all.into_iter().filter_map(|(estimator, estimate)| Some((estimator, estimate?)))
}

fn of_groups<E>(
    results: &Results,
    (arm, at): ([&str; 3], usize),
    row: &mut impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    for breakdown in &results.breakdowns {
        for group in &breakdown.groups {
            let Some(scores) = group.arms.get(at) else { continue };
            for (measure, estimate) in Measure::ALL.into_iter().zip([scores.accuracy, scores.mae]) {
                let named = Some([&*breakdown.column, &*group.value]);
                let of =
                    Of { arm, group: named, category: OVERALL, measure, counts: None, simulated: results.simulated };
                estimate.map_or(Ok(()), |estimate| of_estimate(of, "per person", estimate, row))?;
            }
        }
    }
    Ok(())
}

fn of_estimate<E>(
    of: Of<'_>,
    estimator: &'static str,
    estimate: Estimate,
    row: &mut impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    let interval = estimate.uncertainty.interval();
    let values: [Value<'_>; COLUMNS.len()] = [
        Value::Text(of.arm[0]),
        Value::Text(of.arm[1]),
        Value::Text(of.arm[2]),
        Value::text(of.group.map(|[by, _]| by)),
        Value::text(of.group.map(|[_, group]| group)),
        Value::Constant(of.category),
        Value::Constant(if of.measure == Measure::Accuracy { "accuracy" } else { "mae" }),
        Value::Constant(estimator),
        Value::Number(estimate.persons),
        Value::Double(estimate.mean),
        Value::double(estimate.standard_error),
        Value::double(interval.map(|interval| interval.lower)),
        Value::double(interval.map(|interval| interval.upper)),
        Value::Constant(interval_name(estimate.uncertainty)),
        Value::number(of.counts.map(|(counted, _)| counted)),
        Value::double(of.counts.and_then(|(_, coverage)| coverage)),
        Value::Flag(of.simulated),
    ];
    row(&values)
}

const fn interval_name(uncertainty: Uncertainty) -> &'static str {
    match uncertainty {
        Uncertainty::Interval(interval) => match interval.kind {
            IntervalKind::StudentT => "student t",
            IntervalKind::Wilson => "wilson",
            IntervalKind::Logit => "logit",
            IntervalKind::AlwaysValid => "always valid",
        },
        Uncertainty::NoInterval(NoInterval::EveryoneWasAsked) => "everyone was asked",
        Uncertainty::NoInterval(NoInterval::OnePerson) => "one person",
        Uncertainty::NoInterval(NoInterval::AllTheSame) => "all the same",
    }
}
