//! Writes a report as Markdown, with its figures in files beside it.

use super::super::document::{Block, Cell, Document, Figure, Row, Table};
use crate::chart::Value;
use crate::grouped::grouped;
use crate::table::{number, percent, probability};
use crate::terminal_escape::visible;

/// The report as Markdown; `figures` is the folder of the figures, relative to it.
pub(crate) fn markdown(document: &Document, figures: &str) -> String {
    let mut parts = vec![format!("# {}", plain(&document.title))];
    parts.extend(document.warnings.iter().map(|warning| format!("**{}.**", prose(warning))));
    parts.extend(document.lead.iter().map(|text| prose(text)));
    for section in &document.sections {
        parts.push(format!("## {}", plain(&section.title)));
        parts.extend(section.blocks.iter().map(|block| self::block(block, figures)));
    }
    parts.push(format!("## References\n\n```bibtex\n{}```", document.bibliography));
    parts.join("\n\n") + "\n"
}

fn block(block: &Block, figures: &str) -> String {
    match block {
        Block::Heading(text) => format!("### {}", plain(text)),
        Block::Paragraph(text) => prose(text),
        Block::List(items) => items.iter().map(|item| format!("- {}", prose(item))).collect::<Vec<_>>().join("\n"),
        Block::Quote(text) => format!("> {}", prose(text)),
        Block::Table(table) => self::table(table),
        Block::Figure(figure) => self::figure(figure, figures),
    }
}

fn figure(figure: &Figure, figures: &str) -> String {
    let (name, caption, id) = (figure.name(), prose(&figure.caption), &figure.id);
    format!("![{name}]({figures}/{id}.svg)\n\n*{name}.* {caption}")
}

fn table(table: &Table) -> String {
    let rule = std::iter::once("---").chain(std::iter::repeat_n("---:", table.columns.len().saturating_sub(1)));
    let header: Vec<String> = table.columns.iter().map(|column| plain(column)).collect();
    let mut lines = vec![line(&header), line(&rule.map(str::to_owned).collect::<Vec<_>>())];
    lines.extend(table.rows.iter().map(row));
    let notes: String = table.notes.iter().map(|note| format!("\n\n{}", prose(note))).collect::<Vec<_>>().concat();
    format!("*{}. {}*\n\n{}{notes}", table.name(), prose(&table.title), lines.join("\n"))
}

fn row(row: &Row) -> String {
    line(&row.cells.iter().map(cell).collect::<Vec<_>>())
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => plain(text),
        Cell::Score(Value { value, interval: None }) => number(Some(*value)),
        Cell::Score(Value { value, interval: Some((lower, upper)) }) => {
            format!("{} ({} to {})", number(Some(*value)), number(Some(*lower)), number(Some(*upper)))
        }
        Cell::Count(count) => grouped(*count),
        Cell::Share(share) => percent(Some(*share)),
        Cell::Probability(p) => plain(&probability(*p)),
        Cell::Unknown => "-".to_owned(),
    }
}

/// Words of others: whatever Markdown would read as more than words is escaped.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '\n' | '\t' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '!' | '&' | '~' | '$' => {
                safe.extend(['\\', c]);
            }
            _ => safe.push(c),
        }
    }
    safe
}

/// Prose, in which what stands between backticks stays code.
fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return plain(text);
    }
    let piece = |(at, piece): (usize, &&str)| {
        if at % 2 == 1 { format!("`{}`", visible(piece).replace(['\n', '\t'], " ")) } else { plain(piece) }
    };
    pieces.iter().enumerate().map(piece).collect()
}
