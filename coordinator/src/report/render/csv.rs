//! Writes a table as CSV: a row for each row, unrounded numbers, nothing where nothing is known.

use super::super::document::{Cell, Row, RowKind, Table};
use crate::chart::Value;
use crate::terminal_escape::visible;

/// The table as CSV. A column of scores that have intervals becomes three; `source` says where a row comes from, with
/// `marks` for what is not real about it.
///
/// # Panics
/// Never: memory can be written to.
pub(crate) fn csv(table: &Table, marks: &str) -> String {
    let with_interval: Vec<bool> = (0..table.columns.len()).map(|column| has_interval(table, column)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = Vec::new();
    for (column, with_interval) in table.columns.iter().zip(&with_interval) {
        header.push(safe(column));
        if *with_interval {
            header.extend([safe(&format!("{column} lower")), safe(&format!("{column} upper"))]);
        }
    }
    header.push("source".to_owned());
    writer.write_record(&header).expect("memory can be written to");
    for row in &table.rows {
        writer.write_record(record(row, &with_interval, marks)).expect("memory can be written to");
    }
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("only text was written")
}

fn has_interval(table: &Table, column: usize) -> bool {
    let cells = table.rows.iter().filter_map(|row| row.cells.get(column));
    cells.into_iter().any(|cell| matches!(cell, Cell::Score(Value { interval: Some(_), .. })))
}

fn record(row: &Row, with_interval: &[bool], marks: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for (cell, with_interval) in row.cells.iter().zip(with_interval) {
        fields.push(field(cell));
        if *with_interval {
            let ends = if let Cell::Score(Value { interval: Some(ends), .. }) = cell { Some(*ends) } else { None };
            fields.push(ends.map(|(lower, _)| lower.to_string()).unwrap_or_default());
            fields.push(ends.map(|(_, upper)| upper.to_string()).unwrap_or_default());
        }
    }
    let source = match row.kind {
        RowKind::Ordinary => format!("run{marks}"),
        RowKind::WithoutModel => format!("without a model{marks}"),
        RowKind::Published => "published".to_owned(),
    };
    fields.push(source);
    fields
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => safe(text),
        Cell::Score(Value { value, .. }) | Cell::Share(value) | Cell::Probability(value) => value.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Unknown => String::new(),
    }
}

/// A text that no spreadsheet takes for a formula (OWASP, CSV injection).
fn safe(text: &str) -> String {
    let text = visible(text).replace(['\n', '\t'], " ");
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}
