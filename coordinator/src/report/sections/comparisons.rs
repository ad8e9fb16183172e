//! Whether arms differ by more than chance: paired tests, and what the sample could have shown.

use super::super::document::{Block, Cell, Row, RowKind, Section, Table};
use super::super::lineup::Lineup;
use super::category_label::category_label;
use crate::chart::Value;
use crate::results::{Comparison, Power, Results, Uncertainty};
use crate::score::Arm;
use crate::table::label;

/// The section with the tests; `None` where no run has any.
pub(crate) fn section(lineup: &Lineup<'_>) -> Option<Section> {
    let mut blocks = Vec::new();
    for (at, run) in lineup.runs.iter().enumerate() {
        if run.comparisons.is_empty() {
            continue;
        }
        if lineup.runs.len() > 1 {
            blocks.push(Block::Heading(format!("Run {}", run.run)));
        }
        let (overall, by_category): (Vec<_>, Vec<_>) = run.comparisons.iter().partition(|test| test.category.is_none());
        let whole = tests(run, &overall, ("tests", "Paired comparisons over all questions"), at);
        blocks.push(Block::Table(whole));
        if !by_category.is_empty() {
            let table = tests(run, &by_category, ("tests-by-category", "Paired comparisons by category"), at);
            blocks.push(Block::Table(table));
        }
        blocks.extend((!run.power.is_empty()).then(|| Block::Table(power(run, at))));
    }
    let title = "Which arms differ".to_owned();
    (!blocks.is_empty()).then_some(Section { id: "comparisons", title, blocks })
}

fn tests(run: &Results, comparisons: &[&Comparison], (id, title): (&str, &str), at: usize) -> Table {
    let columns = [
        "Arm",
        "Against",
        "Category",
        "Measure",
        "People",
        "Difference",
        "p (Holm)",
        "p (Wilcoxon)",
        "Effect size",
        "Verdict",
    ];
    Table {
        id: format!("{id}-{}", at + 1),
        title: format!("{title}{}", run.marks()),
        columns: columns.map(str::to_owned).to_vec(),
        rows: comparisons.iter().map(|comparison| test_row(run, comparison)).collect(),
        notes: vec![
            "Differences are of the first arm minus the second, on the people whom both predicted, with the interval that \
             Holm's correction over all tests of a measure leaves them. The effect size is the mean difference in standard \
             deviations of the differences. p: paired t test, corrected; Wilcoxon's test beside it, uncorrected."
                .to_owned(),
        ],
        ..Table::default()
    }
}

fn test_row(run: &Results, comparison: &Comparison) -> Row {
    let Comparison {
        arm, against, category, measure, persons, difference, adjusted_uncertainty, test, verdict, ..
    } = comparison;
    let cells = vec![
        Cell::text(label(run, arm)),
        Cell::text(label(run, against)),
        Cell::text(category_label(*category)),
        Cell::text(measure.name()),
        Cell::Count(*persons),
        Cell::Score(Value { value: *difference, interval: ends(adjusted_uncertainty) }),
        Cell::probability(test.map(|test| test.p_holm)),
        Cell::probability(test.and_then(|test| test.wilcoxon_p)),
        Cell::score(test.and_then(|test| test.effect_size)),
        Cell::text(verdict.to_string()),
    ];
    Row { kind: RowKind::Ordinary, cells }
}

fn ends(uncertainty: &Uncertainty) -> Option<(f64, f64)> {
    uncertainty.interval().map(|interval| (interval.lower, interval.upper))
}

fn power(run: &Results, at: usize) -> Table {
    let columns = [
        "Arm",
        "Against",
        "Measure",
        "People",
        "Smallest difference found with probability 0.8",
        "People for a difference of 0.01",
    ];
    let row = |Power { arm, against, measure, persons, detectable_difference, persons_for_a_hundredth }: &Power| {
        let words = |arm: &Arm| Cell::text(label(run, arm));
        let cells = vec![
            words(arm),
            words(against),
            Cell::text(measure.name()),
            Cell::Count(*persons),
            Cell::Score(Value::from(*detectable_difference)),
            persons_for_a_hundredth.map_or(Cell::Unknown, Cell::Count),
        ];
        Row { kind: RowKind::Ordinary, cells }
    };
    Table {
        id: format!("power-{}", at + 1),
        title: format!("What differences this sample can show, against the best method without a model{}", run.marks()),
        columns: columns.map(str::to_owned).to_vec(),
        rows: run.power.iter().map(row).collect(),
        ..Table::default()
    }
}
