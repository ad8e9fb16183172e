//! Builds the tables of a run's results: arms by category, beside the paper's figures and the methods without a model.

mod notes;
mod published;
mod text;

use valuesim_shared::codebook::Category;

use crate::results::{ArmResults, Estimate, Measure, Results, Uncertainty};
use crate::score::Arm;
use published::{PublishedRow, published, published_chance};

pub(crate) use notes::{IntervalStyle, notes, without_a_model};
pub(crate) use published::{papers_ablation, papers_ablations, papers_chance, papers_row, papers_rows};
pub use text::text;

/// Number of columns with scores: the nine categories and overall.
pub(crate) const COLUMNS: usize = Category::ALL.len() + 1;

/// The headings of the columns with scores.
pub(crate) fn column_names() -> impl Iterator<Item = &'static str> {
    Category::ALL.into_iter().map(Category::name).chain(["Overall"])
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The arm or the published figures that it shows.
    pub(crate) label: String,
    /// Where its numbers come from.
    pub(crate) kind: RowKind,
    /// The nine categories and overall.
    pub(crate) cells: [Cell; COLUMNS],
    /// Share of valid answers, if known.
    pub(crate) coverage: Option<f64>,
}

/// Where a row's numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// An arm of this run that asks a model.
    Model,
    /// An arm of this run that asks no model.
    WithoutModel,
    /// The paper's published figures.
    Published,
}

/// A score with its interval, if known.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    pub(crate) value: Option<f64>,
    /// `None` for published figures, which come without.
    pub(crate) uncertainty: Option<Uncertainty>,
}

impl From<Estimate> for Cell {
    fn from(estimate: Estimate) -> Self {
        Self { value: Some(estimate.mean), uncertainty: Some(estimate.uncertainty) }
    }
}

/// The rows of a run's table: each arm that asks a model, with the paper's row below it if that may stand there, then the
/// arms without a model.
pub(crate) fn rows(results: &Results, measure: Measure) -> Vec<Row> {
    let mut rows = Vec::new();
    for arm in results.model_arms() {
        rows.push(arm_row(results, arm, measure));
        rows.extend(published_row_of(arm, measure).filter(|_| results.published_elsewhere.is_empty()));
    }
    let beside_the_paper = rows.iter().any(|row| row.kind == RowKind::Published);
    rows.extend(results.no_model_arms().map(|arm| arm_row(results, arm, measure)));
    if beside_the_paper {
        rows.extend(published_chance(measure).map(|row| published_row(&row)));
    }
    rows
}

/// The paper's row for an arm, if it has one.
fn published_row_of(arm: &ArmResults, measure: Measure) -> Option<Row> {
    let model = arm.arm.model.as_deref()?;
    published(measure, arm.arm.method, model).map(|row| published_row(&row))
}

/// The paper's rows for the arms of a run in which they must not stand beside them.
pub(crate) fn rows_apart(results: &Results, measure: Measure) -> Vec<Row> {
    if results.published_elsewhere.is_empty() {
        return Vec::new();
    }
    results.model_arms().filter_map(|arm| published_row_of(arm, measure)).collect()
}

fn arm_row(results: &Results, ArmResults { arm, score, .. }: &ArmResults, measure: Measure) -> Row {
    let asks_model = arm.model.is_some();
    let categories = Category::ALL.into_iter().map(Some).chain([None]);
    let mut cells = [Cell::default(); COLUMNS];
    for (cell, category) in cells.iter_mut().zip(categories) {
        *cell = score.score(category).headline(measure).map(Cell::from).unwrap_or_default();
    }
    let kind = if asks_model { RowKind::Model } else { RowKind::WithoutModel };
    Row { label: label(results, arm), kind, cells, coverage: score.overall.coverage }
}

/// An arm's name, marked if its replies are simulated.
pub(crate) fn label(results: &Results, arm: &Arm) -> String {
    let replies_are_simulated = arm.model.is_some() && results.simulated;
    if replies_are_simulated { format!("{arm} SIMULATED") } else { arm.to_string() }
}

fn published_row(row: &PublishedRow) -> Row {
    let PublishedRow { method, model, values } = row;
    let label = format!("paper: {}", published::name(method, model));
    let cells = values.map(|value| Cell { value: Some(value), uncertainty: None });
    Row { label, kind: RowKind::Published, cells, coverage: None }
}

/// A score with three decimals, in scientific notation from 1000 on; `-` if unknown.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        // Behaviour `paper` accepts any number at the start of a reply as an answer, so errors can be huge.
        Some(value) if value >= 1000.0 => format!("{value:.0e}"),
        Some(value) => format!("{value:.3}"),
    }
}

/// A p value; small ones are only bounded, because their digits say nothing.
pub(crate) fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { number(Some(p)) }
}

/// A share in percent; `-` if unknown.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

#[cfg(test)]
mod tests;
