//! Which questions are predicted well and badly, and what is predicted in place of the truth.

use super::super::document::{Block, Cell, Figure, Row, RowKind, Section, Table};
use super::super::lineup::{Lineup, LineupArm};
use crate::chart::{Axis, ChartRow, GroupedBars, Heading, HeatMap, Look, Series, Unit, Value};
use crate::results::{Measure, QuestionArm, QuestionResults, Results};

/// How many of the hardest questions have figures.
const HARDEST: usize = 6;

/// The most arms beside the truth in a figure of a question.
const MAX_ARMS: usize = 3;

/// The section; `None` where no run has results of questions.
pub(crate) fn section(lineup: &Lineup<'_>) -> Option<Section> {
    let mut blocks = Vec::new();
    for (at, run) in lineup.runs.iter().enumerate().filter(|(_, run)| !run.questions.is_empty()) {
        let arms = lineup.methods_of(run);
        let Some(&first) = arms.iter().find(|arm| is_headline(arm)).or(arms.first()) else { continue };
        if lineup.runs.len() > 1 {
            blocks.push(Block::Heading(format!("Run {}", run.run)));
        }
        blocks.push(Block::Table(distributions(lineup, run, at)));
        blocks.push(Block::Heading(format!("The hardest questions for {}", first.label)));
        for question in hardest(run, first) {
            blocks.extend(of_question(lineup, question, (&arms, first), at));
        }
        blocks.push(Block::Table(all_questions(lineup, run, &arms, at)));
    }
    let title = "Questions".to_owned();
    (!blocks.is_empty()).then_some(Section { id: "questions", title, blocks })
}

fn is_headline(arm: &LineupArm<'_>) -> bool {
    arm.results.arm.method == valuesim_shared::method::Method::ValueSim
}

/// How far the predicted distributions are from the true ones, beside the methods without a model.
fn distributions(lineup: &Lineup<'_>, run: &Results, at: usize) -> Table {
    let columns = [
        "Arm",
        "Wasserstein",
        "Jensen-Shannon",
        "Wasserstein within countries",
        "Jensen-Shannon within countries",
        "Variance ratio",
        "Questions with one prediction",
    ];
    let row = |arm: &LineupArm<'_>, kind| {
        let found = &arm.results.distribution;
        let scores = [
            found.wasserstein,
            found.jensen_shannon,
            found.wasserstein_within_countries,
            found.jensen_shannon_within_countries,
            found.variance_ratio,
        ];
        let mut cells = vec![Cell::text(&arm.label)];
        cells.extend(scores.map(Cell::score));
        cells.push(Cell::Count(found.questions_with_one_prediction));
        Row { kind, cells }
    };
    let asking = lineup.asking.iter().filter(|arm| arm.is_of(run)).map(|arm| row(arm, RowKind::Ordinary));
    let baselines = lineup.baselines_of(run).into_iter().map(|arm| row(arm, RowKind::WithoutModel));
    Table {
        id: format!("distributions-{}", at + 1),
        title: format!("How far the distributions of predictions are from those of the truth{}", run.marks()),
        columns: columns.map(str::to_owned).to_vec(),
        rows: asking.chain(baselines).collect(),
        notes: vec![
            "Distances are means over questions: Wasserstein along the scale for ordinal and binary questions, Jensen-Shannon for \
             nominal ones; 0 is the same distribution. A variance ratio below 1 means that the predicted people are more alike \
             than the real ones."
                .to_owned(),
        ],
        ..Table::default()
    }
}

/// The questions with the lowest accuracy, hardest first.
fn hardest<'a>(run: &'a Results, arm: &LineupArm<'_>) -> Vec<&'a QuestionResults> {
    let accuracy = |question: &QuestionResults| question.arms.get(arm.place)?.accuracy.map(|estimate| estimate.mean);
    let known = run.questions.iter().filter_map(|question| Some((question, accuracy(question)?)));
    let mut known: Vec<_> = known.filter(|(question, _)| question.options.len() <= 12).collect();
    known.sort_by(|(_, left), (_, right)| left.total_cmp(right));
    known.into_iter().take(HARDEST).map(|(question, _)| question).collect()
}

fn of_question(
    lineup: &Lineup<'_>,
    question: &QuestionResults,
    (arms, first): (&[&LineupArm<'_>], &LineupArm<'_>),
    at: usize,
) -> Vec<Block> {
    let id = format!("question-{}-{}", at + 1, question.question.to_string().to_lowercase());
    let bars = distribution(lineup, question, arms);
    let caption = format!("{}: what people answered and what was predicted for them.", question.question);
    let mut blocks = vec![Block::Figure(Figure::new(format!("{id}-distribution"), caption, |width| bars.draw(width)))];
    let found = question.arms.get(first.place);
    if let Some(arm) = found.filter(|arm| !arm.confusion.is_empty()) {
        let map = confusion(lineup, question, (first, arm));
        let caption = format!(
            "{}: of the people who gave each answer (rows), how many percent were predicted to give each answer (columns) by {}.",
            question.question, first.label
        );
        blocks.push(Block::Figure(Figure::new(format!("{id}-confusion"), caption, |width| map.draw(width))));
    }
    blocks
}

fn option_labels(question: &QuestionResults) -> Vec<String> {
    question.options.iter().map(|option| with_code(&option.code.to_string(), &option.label)).collect()
}

/// An option's label after its code, unless it begins with that, like `2 of 10`.
fn with_code(code: &str, label: &str) -> String {
    let begins_with_its_code = label.split(' ').next() == Some(code);
    if begins_with_its_code { label.to_owned() } else { format!("{code} {label}") }
}

fn question_heading(lineup: &Lineup<'_>, question: &QuestionResults) -> Heading {
    let people: u64 = question.truth.iter().sum();
    Heading {
        title: format!("{}. {}", question.question, question.text),
        warning: lineup.warning(),
        subtitle: format!("{people} people with a known answer"),
    }
}

/// The truth beside the predictions, in shares of people.
fn distribution(lineup: &Lineup<'_>, question: &QuestionResults, arms: &[&LineupArm<'_>]) -> GroupedBars {
    let mut series = vec![(Series { label: "truth".to_owned(), look: Look::Truth }, question.truth.clone())];
    for arm in arms.iter().take(MAX_ARMS) {
        let predicted = question.arms.get(arm.place).map(|found| found.predicted.clone()).unwrap_or_default();
        series.push((arm.series(), predicted));
    }
    let share = |counts: &[u64], at: usize| {
        let all: u64 = counts.iter().sum();
        let count = *counts.get(at)?;
        (all > 0).then(|| Value::from(count as f64 / all as f64))
    };
    let groups = option_labels(question)
        .into_iter()
        .enumerate()
        .map(|(at, label)| ChartRow { label, values: series.iter().map(|(_, counts)| share(counts, at)).collect() });
    GroupedBars {
        heading: question_heading(lineup, question),
        axis: Axis { title: "share of answers".to_owned(), unit: Unit::Percent, from_zero: true },
        groups: groups.collect(),
        series: series.iter().map(|(series, _)| series.clone()).collect(),
    }
}

fn confusion(lineup: &Lineup<'_>, question: &QuestionResults, (first, arm): (&LineupArm<'_>, &QuestionArm)) -> HeatMap {
    let heading = question_heading(lineup, question);
    HeatMap {
        heading: Heading { subtitle: format!("{}; percent of each row", first.label), ..heading },
        rows: option_labels(question),
        columns: question.options.iter().map(|option| option.code.to_string()).collect(),
        counts: arm.confusion.clone(),
    }
}

/// All questions: accuracy by arm, beside the best method without a model, and the distance of the first arm.
fn all_questions(lineup: &Lineup<'_>, run: &Results, arms: &[&LineupArm<'_>], at: usize) -> Table {
    let best = lineup.best_baseline_of(run, Measure::Accuracy);
    let mut columns: Vec<String> = ["Question", "Wording", "Category"].map(str::to_owned).to_vec();
    let shown: Vec<&LineupArm<'_>> = arms.iter().copied().take(MAX_ARMS).collect();
    let beside: Vec<&LineupArm<'_>> = shown.iter().copied().chain(best).collect();
    columns.extend(beside.iter().map(|arm| format!("accuracy: {}", arm.label)));
    columns.extend(
        shown.iter().flat_map(|arm| ["distance", "variance ratio"].map(|what| format!("{what}: {}", arm.label))),
    );
    let row = |question: &QuestionResults| {
        let of = |arm: &LineupArm<'_>| question.arms.get(arm.place);
        let mut cells = vec![
            Cell::text(question.question.to_string()),
            Cell::text(shortened(&question.text)),
            Cell::text(question.category.name()),
        ];
        cells.extend(beside.iter().map(|arm| Cell::score(of(arm).and_then(|found| found.accuracy))));
        for arm in &shown {
            cells.push(Cell::score(of(arm).and_then(|found| found.distance)));
            cells.push(Cell::score(of(arm).and_then(|found| found.variance_ratio)));
        }
        Row { kind: RowKind::Ordinary, cells }
    };
    Table {
        id: format!("all-questions-{}", at + 1),
        title: format!("All questions{}", run.marks()),
        columns,
        rows: run.questions.iter().map(row).collect(),
        notes: vec!["Intervals are Wilson's, for single questions.".to_owned()],
        ..Table::default()
    }
}

/// A question's wording in a table.
fn shortened(text: &str) -> String {
    const MAX: usize = 90;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(MAX).collect();
    format!("{}…", start.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_has_its_code_twice() {
        assert_eq!(with_code("2", "2 of 10"), "2 of 10");
        assert_eq!(with_code("2", "20 or more"), "2 20 or more");
        assert_eq!(with_code("1", "Completely disagree"), "1 Completely disagree");
    }
}
