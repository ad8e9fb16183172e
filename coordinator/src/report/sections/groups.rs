//! Who is predicted well and badly: scores of groups of people, column by column.

use super::super::document::{Block, Cell, Figure, Row, RowKind, Section, Table};
use super::super::lineup::{Lineup, LineupArm};
use super::figures::heading;
use crate::chart::{Axis, ChartRow, DotPlot, Unit, Value};
use crate::grouped::grouped;
use crate::results::{Breakdown, Extremes, GroupDifference, GroupResults, MIN_GROUP_PEOPLE, Measure, Results, Verdict};
use crate::table::label;

/// The most arms that a figure of groups shows beside the best one without a model.
const MAX_ARMS: usize = 3;

/// The section; `None` where no run has groups.
pub(crate) fn section(lineup: &Lineup<'_>) -> Option<Section> {
    let mut blocks = Vec::new();
    for (at, run) in lineup.runs.iter().enumerate() {
        for breakdown in run.breakdowns.iter().filter(|breakdown| !breakdown.groups.is_empty()) {
            blocks.extend(of_column(lineup, (at, run), breakdown));
        }
    }
    let title = "Groups of people".to_owned();
    (!blocks.is_empty()).then_some(Section { id: "groups", title, blocks })
}

fn of_column(lineup: &Lineup<'_>, (at, run): (usize, &Results), breakdown: &Breakdown) -> Vec<Block> {
    let several = if lineup.runs.len() > 1 { format!(" in run {}", run.run) } else { String::new() };
    let arms = shown_arms(lineup, run);
    let id = format!("groups-{}-{}", at + 1, file_name(&breakdown.column));
    let chart = chart(lineup, &arms, breakdown);
    let caption = format!(
        "Accuracy by {} (column `{}`){several}, with 95 % intervals over the people of each group; the most people first. \
         Groups with * have fewer than {MIN_GROUP_PEOPLE} people.",
        breakdown.title, breakdown.column
    );
    let mut blocks = vec![Block::Heading(format!("By {}{several}", breakdown.title))];
    blocks.push(Block::Figure(Figure::new(format!("{id}-figure"), caption, |width| chart.draw(width))));
    let found: Vec<String> = breakdown.extremes.iter().filter_map(|extremes| sentences(run, extremes)).collect();
    blocks.extend((!found.is_empty()).then_some(Block::List(found)));
    blocks.push(Block::Table(table(lineup, run, breakdown, id)));
    blocks
}

/// The arms of a run that its figures of groups show.
fn shown_arms<'a>(lineup: &Lineup<'a>, run: &Results) -> Vec<LineupArm<'a>> {
    let arms = lineup.methods_of(run).into_iter().take(MAX_ARMS);
    arms.chain(lineup.best_baseline_of(run, Measure::Accuracy)).cloned().collect()
}

fn chart(lineup: &Lineup<'_>, arms: &[LineupArm<'_>], breakdown: &Breakdown) -> DotPlot {
    let row = |group: &GroupResults| ChartRow {
        label: group_label(group),
        values: arms.iter().map(|arm| group.arms.get(arm.place)?.accuracy.map(Value::from)).collect(),
    };
    let mut groups: Vec<&GroupResults> = breakdown.groups.iter().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.persons));
    DotPlot {
        heading: heading(lineup, format!("Accuracy by {}", breakdown.title), arms),
        axis: Axis { title: "accuracy (higher is better)".to_owned(), unit: Unit::Score, from_zero: false },
        series: arms.iter().map(LineupArm::series).collect(),
        rows: groups.into_iter().map(row).collect(),
        last_is_all: false,
    }
}

fn group_label(group: &GroupResults) -> String {
    let few = if group.few { " *" } else { "" };
    format!("{} ({}){few}", group.label, grouped(group.persons))
}

fn table(lineup: &Lineup<'_>, run: &Results, breakdown: &Breakdown, id: String) -> Table {
    let arms = shown_arms(lineup, run);
    let mut columns = vec!["Group".to_owned(), "People".to_owned()];
    for arm in &arms {
        let name = &arm.label;
        columns.extend(["accuracy", "MAE", "Wasserstein", "Jensen-Shannon"].map(|what| format!("{what}: {name}")));
    }
    let row = |group: &GroupResults| {
        let few = if group.few { " *" } else { "" };
        let mut cells = vec![Cell::text(format!("{}{few}", group.label)), Cell::Count(group.persons)];
        for arm in &arms {
            let scores = group.arms.get(arm.place);
            cells.push(Cell::score(scores.and_then(|scores| scores.accuracy)));
            cells.push(Cell::score(scores.and_then(|scores| scores.mae)));
            cells.push(Cell::score(scores.and_then(|scores| scores.wasserstein)));
            cells.push(Cell::score(scores.and_then(|scores| scores.jensen_shannon)));
        }
        Row { kind: RowKind::Ordinary, cells }
    };
    Table {
        id,
        title: format!("Scores by {}{}", breakdown.title, run.marks()),
        columns,
        rows: breakdown.groups.iter().map(row).collect(),
        notes: vec![note(breakdown)],
        ..Table::default()
    }
}

fn note(breakdown: &Breakdown) -> String {
    let mut note = format!(
        "* fewer than {MIN_GROUP_PEOPLE} people. Distances between the distributions of predictions and truth grow as a group gets \
         smaller: compare them with those of the method without a model."
    );
    if breakdown.persons_without > 0 {
        note += &format!(" People without a value: {}.", grouped(breakdown.persons_without));
    }
    if breakdown.groups_left_out > 0 {
        note += &format!(" Smaller groups that are left out: {}.", grouped(breakdown.groups_left_out));
    }
    note
}

/// Which groups an arm predicts better and worse than everybody else.
fn sentences(run: &Results, extremes: &Extremes) -> Option<String> {
    let named = |groups: &[GroupDifference], verdict: Verdict| -> Vec<String> {
        let words = |group: &GroupDifference| format!("{} ({:+.3})", group.label, group.difference);
        groups.iter().filter(|group| group.verdict == verdict).map(words).collect()
    };
    let (best, worst) = (named(&extremes.best, Verdict::Better), named(&extremes.worst, Verdict::Worse));
    let (arm, measure) = (label(run, &extremes.arm), extremes.measure.name());
    let of = format!("of {} groups compared with everybody else, Holm's correction", extremes.compared);
    match (best.is_empty(), worst.is_empty()) {
        _ if extremes.compared == 0 => None,
        (true, true) => Some(format!("{arm}, {measure}: no group is distinguishable ({of}).")),
        (false, true) => Some(format!("{arm}, {measure}: better for {} ({of}).", best.join(", "))),
        (true, false) => Some(format!("{arm}, {measure}: worse for {} ({of}).", worst.join(", "))),
        (false, false) => {
            Some(format!("{arm}, {measure}: better for {}; worse for {} ({of}).", best.join(", "), worst.join(", ")))
        }
    }
}

/// A column's name in the name of a file.
fn file_name(column: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    column.chars().take(40).map(safe).collect()
}
