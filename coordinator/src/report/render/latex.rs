//! Writes a report's tables as LaTeX, for a paper that uses the packages `booktabs` and `graphicx`.

use super::super::document::{Cell, Document, Row, RowKind, Table};
use crate::chart::Value;
use crate::grouped::grouped;
use crate::table::{number, percent, probability};
use crate::terminal_escape::visible;

/// Tables with more columns are scaled down to the width of the text.
const MAX_COLUMNS_UNSCALED: usize = 6;

/// All tables of the report, and the paragraph on methods.
pub(crate) fn latex(document: &Document, methods: &str) -> String {
    let mut parts = vec![
        "% \\usepackage{booktabs,graphicx}; names in other scripts than Latin need LuaLaTeX or XeLaTeX.".to_owned(),
        document.warnings.iter().map(|warning| format!("% {}", one_line(warning))).collect::<Vec<_>>().join("\n"),
        format!("% Methods.\n{}", prose(methods)),
    ];
    parts.extend(document.tables().map(table));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

fn one_line(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

fn table(table: &Table) -> String {
    let columns = "r".repeat(table.columns.len().saturating_sub(1));
    let (begin, end) = if table.columns.len() > MAX_COLUMNS_UNSCALED {
        ("\\resizebox{\\textwidth}{!}{%\n", "}\n")
    } else {
        ("", "\n")
    };
    let header: Vec<String> = table.columns.iter().map(|column| escaped(column)).collect();
    let mut body = String::new();
    let mut above = RowKind::Ordinary;
    for row in &table.rows {
        if row.kind == RowKind::WithoutModel && above != RowKind::WithoutModel {
            body += "\\midrule\n";
        }
        above = row.kind;
        body += &self::row(row);
    }
    let notes: Vec<String> = table.notes.iter().map(|note| prose(note)).collect();
    let notes =
        if notes.is_empty() { String::new() } else { format!("\\par\\smallskip\\footnotesize {}\n", notes.join(" ")) };
    format!(
        "\\begin{{table*}}[t]\n\\centering\n\\caption{{{}}}\n\\label{{tab:{}}}\n{begin}\\begin{{tabular}}{{l{columns}}}\n\\toprule\n\
         {} \\\\\n\\midrule\n{body}\\bottomrule\n\\end{{tabular}}{end}{notes}\\end{{table*}}",
        prose(&table.title),
        table.id,
        header.join(" & ")
    )
}

/// A row's values, and below them their intervals, if it has any.
fn row(row: &Row) -> String {
    let values: Vec<String> = row.cells.iter().map(value).collect();
    let mut lines = format!("{} \\\\\n", values.join(" & "));
    if row.cells.iter().any(|cell| matches!(cell, Cell::Score(Value { interval: Some(_), .. }))) {
        let intervals: Vec<String> = row.cells.iter().map(interval).collect();
        lines += &format!("{} \\\\\n", intervals.join(" & "));
    }
    lines
}

fn value(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        Cell::Score(score) => signed(&number(Some(score.value))),
        Cell::Count(count) => grouped(*count),
        Cell::Share(share) => signed(&percent(Some(*share))).replace('%', "\\%"),
        Cell::Probability(p) => escaped(&probability(*p)),
        Cell::Unknown => "--".to_owned(),
    }
}

fn interval(cell: &Cell) -> String {
    let Cell::Score(Value { interval: Some((lower, upper)), .. }) = cell else { return String::new() };
    format!("{{\\scriptsize {} to {}}}", signed(&number(Some(*lower))), signed(&number(Some(*upper))))
}

/// A number with a minus in place of a hyphen.
fn signed(number: &str) -> String {
    number.strip_prefix('-').map_or_else(|| number.to_owned(), |digits| format!("$-${digits}"))
}

/// Prose, in which what stands between backticks is set as code.
fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escaped(text);
    }
    let piece = |(at, piece): (usize, &&str)| {
        if at % 2 == 1 { format!("\\texttt{{{}}}", escaped(piece)) } else { escaped(piece) }
    };
    pieces.iter().enumerate().map(piece).collect()
}

/// A text in which nothing is a command.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '\\' => safe += "\\textbackslash{}",
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => safe.extend(['\\', c]),
            '^' => safe += "\\textasciicircum{}",
            '~' => safe += "\\textasciitilde{}",
            '<' => safe += "\\textless{}",
            '>' => safe += "\\textgreater{}",
            '|' => safe += "\\textbar{}",
            '"' => safe += "\\textquotedbl{}",
            '`' => safe += "\\textasciigrave{}",
            '±' => safe += "$\\pm$",
            '≥' => safe += "$\\geq$",
            '≤' => safe += "$\\leq$",
            '−' => safe += "$-$",
            '\n' | '\t' => safe.push(' '),
            _ => safe.push(c),
        }
    }
    safe
}
