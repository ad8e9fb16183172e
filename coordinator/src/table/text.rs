//! Lays the tables out for a terminal of 120 columns.

use super::{COLUMNS, Cell, IntervalStyle, Row, RowKind, column_names, notes, number, percent, rows, without_a_model};
use crate::results::{IntervalKind, Measure, NoInterval, Results, Uncertainty};

/// Width of the terminal that the tables are laid out for.
const WIDTH: usize = 120;

/// Room for a score with its sign: `±0.012`.
const MIN_COLUMN_WIDTH: usize = 6;

const COVERAGE: &str = "Coverage";

/// Both tables with their warnings and notes, in lines of at most 120 columns.
pub fn text(results: &Results) -> String {
    let mut lines = Vec::new();
    lines.extend(results.warnings());
    for measure in Measure::ALL {
        lines.push(String::new());
        lines.extend(table(results, measure));
    }
    lines.push(String::new());
    for note in notes(results, IntervalStyle::HalfWidth).into_iter().chain(without_a_model(results)) {
        lines.extend(wrapped(&note));
    }
    lines.join("\n").trim_start_matches('\n').to_owned() + "\n"
}

fn table(results: &Results, measure: Measure) -> Vec<String> {
    let rows = rows(results, measure);
    let layout = Layout::new(&rows);
    let mut lines = vec![format!("{}{}", measure.title(), results.marks()), layout.header()];
    let mut above = RowKind::Model;
    for row in &rows {
        if above != RowKind::WithoutModel && row.kind == RowKind::WithoutModel {
            lines.push("without a model".to_owned());
        }
        above = row.kind;
        lines.extend(layout.row(row));
    }
    lines
}

/// How wide each column is.
struct Layout {
    label: usize,
    columns: [usize; COLUMNS],
}

impl Layout {
    fn new(rows: &[Row]) -> Self {
        let mut columns = [MIN_COLUMN_WIDTH; COLUMNS];
        for (column, name) in columns.iter_mut().zip(column_names()) {
            *column = name.len().max(MIN_COLUMN_WIDTH);
        }
        let scores: usize = columns.iter().map(|column| column + 1).sum();
        let room = WIDTH - scores - COVERAGE.len() - 1;
        let longest = rows.iter().map(|row| row.label.chars().count()).filter(|&length| length <= room).max();
        Self { label: longest.unwrap_or(0), columns }
    }

    fn header(&self) -> String {
        self.line("", column_names().map(str::to_owned), COVERAGE)
    }

    /// A row's lines: its values, and below them the ends of their intervals if the arm asks a model. A label that does not
    /// fit gets its own line above.
    fn row(&self, row: &Row) -> Vec<String> {
        let has_room = row.label.chars().count() <= self.label;
        let label = if has_room { row.label.as_str() } else { "" };
        let values = row.cells.iter().map(|cell| number(cell.value));
        let mut lines = Vec::new();
        if !has_room {
            lines.push(row.label.clone());
        }
        lines.push(self.line(label, values, &percent(row.coverage)));
        if row.kind == RowKind::Model {
            let intervals = [half_width_or_lower, upper].map(|end| self.line("", row.cells.iter().map(end), ""));
            lines.extend(intervals.into_iter().filter(|line| !line.is_empty()));
        }
        lines
    }

    fn line(&self, label: &str, cells: impl Iterator<Item = String>, coverage: &str) -> String {
        let mut parts = vec![format!("{label:<width$}", width = self.label)];
        parts.extend(cells.zip(self.columns).map(|(cell, width)| format!(" {cell:>width$}")));
        parts.push(format!(" {coverage:>width$}", width = COVERAGE.len()));
        parts.concat().trim_end().to_owned()
    }
}

/// Half of a symmetric interval's width, or the lower end of another one.
fn half_width_or_lower(cell: &Cell) -> String {
    match cell.uncertainty {
        Some(Uncertainty::Interval(interval)) if interval.kind == IntervalKind::StudentT => {
            format!("±{}", number(Some(interval.half_width())))
        }
        Some(Uncertainty::Interval(interval)) => format!("≥{}", number(Some(interval.lower))),
        Some(Uncertainty::NoInterval(NoInterval::OnePerson | NoInterval::AllTheSame)) => "-".to_owned(),
        Some(Uncertainty::NoInterval(NoInterval::EveryoneWasAsked)) | None => String::new(),
    }
}

/// The upper end of an interval that is not symmetric.
fn upper(cell: &Cell) -> String {
    let interval = cell.uncertainty.and_then(|uncertainty| uncertainty.interval());
    let interval = interval.filter(|interval| interval.kind != IntervalKind::StudentT);
    interval.map(|interval| format!("≤{}", number(Some(interval.upper)))).unwrap_or_default()
}

/// Breaks a sentence at spaces into lines of at most [`WIDTH`] columns.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        let length = line.chars().count();
        if length > 0 && length + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else if length > 0 {
            line.push(' ');
            line.push_str(word);
        } else {
            line.push_str(word);
        }
    }
    lines
}
