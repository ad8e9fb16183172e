//! Writes a report as one page of HTML that needs nothing else.

use super::super::document::{Block, Cell, Document, Figure, Row, RowKind, Section, Table};
use super::page::page;
use crate::chart::{Value, escaped};
use crate::grouped::grouped;
use crate::table::{number, percent, probability};

/// Tables with more rows are folded until somebody opens them.
const MAX_ROWS_UNFOLDED: usize = 40;

/// The report as a page.
pub(crate) fn html(document: &Document) -> String {
    let warnings: String = document
        .warnings
        .iter()
        .map(|warning| format!("<p class=\"warning\">{}.</p>\n", prose(warning)))
        .collect::<Vec<_>>()
        .concat();
    let lead: String = document
        .lead
        .iter()
        .map(|text| format!("<p class=\"lead\">{}</p>\n", prose(text)))
        .collect::<Vec<_>>()
        .concat();
    let sections: String = document.sections.iter().map(section).collect();
    let body = format!(
        "<header>\n<h1>{}</h1>\n{warnings}{lead}</header>\n{}<main>\n{sections}{}</main>\n",
        escaped(&document.title),
        contents(document),
        references(&document.bibliography),
    );
    page(&document.title, &body)
}

fn contents(document: &Document) -> String {
    let sections = document.sections.iter().map(|section| (section.id, section.title.as_str()));
    let links: String = sections
        .chain([("references", "References")])
        .map(|(id, title)| format!("<li><a href=\"#{id}\">{}</a></li>\n", escaped(title)))
        .collect::<Vec<_>>()
        .concat();
    format!("<nav aria-label=\"Contents\">\n<ul>\n{links}</ul>\n</nav>\n")
}

fn section(Section { id, title, blocks }: &Section) -> String {
    let blocks: String = blocks.iter().map(block).collect();
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{blocks}</section>\n", escaped(title))
}

fn references(bibliography: &str) -> String {
    let bibliography = bibliography.lines().map(escaped).collect::<Vec<_>>().join("\n");
    format!(
        "<section id=\"references\">\n<h2>References</h2>\n\
         <pre tabindex=\"0\" role=\"region\" aria-label=\"BibTeX\">{bibliography}</pre>\n</section>\n"
    )
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("<h3>{}</h3>\n", escaped(text)),
        Block::Paragraph(text) => format!("<p>{}</p>\n", prose(text)),
        Block::List(items) => {
            let items: String =
                items.iter().map(|item| format!("<li>{}</li>\n", prose(item))).collect::<Vec<_>>().concat();
            format!("<ul>\n{items}</ul>\n")
        }
        Block::Quote(text) => format!("<blockquote><p>{}</p></blockquote>\n", prose(text)),
        Block::Table(table) => self::table(table),
        Block::Figure(figure) => self::figure(figure),
    }
}

fn figure(figure: &Figure) -> String {
    let Figure { id, caption, wide, narrow, .. } = figure;
    let (wide, narrow) = (wide.inline(&format!("{id}-wide")), narrow.inline(&format!("{id}-narrow")));
    format!(
        "<figure id=\"{id}\">\n<div class=\"wide\">{wide}</div>\n<div class=\"narrow\">{narrow}</div>\n\
         <figcaption><b>{}.</b> {}</figcaption>\n</figure>\n",
        figure.name(),
        prose(caption)
    )
}

fn table(table: &Table) -> String {
    let text_columns: Vec<bool> = (0..table.columns.len()).map(|column| is_text(table, column)).collect();
    let heading = |(at, column): (usize, &String)| {
        let class = match at {
            0 => " class=\"label\"",
            _ if text_columns[at] => " class=\"text\"",
            _ => "",
        };
        format!("<th scope=\"col\"{class}><button type=\"button\">{}</button></th>\n", escaped(column))
    };
    let headings: String = table.columns.iter().enumerate().map(heading).collect();
    let rows: String = table.rows.iter().map(|row| self::row(row, &text_columns)).collect();
    let notes: String =
        table.notes.iter().map(|note| format!("<p class=\"note\">{}</p>\n", prose(note))).collect::<Vec<_>>().concat();
    let (name, title, id) = (table.name(), prose(&table.title), &table.id);
    let scroll = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{id}-title\">\n<table>\n\
         <thead>\n<tr>\n{headings}</tr>\n</thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    );
    let caption = format!("<b>{name}.</b> {title}");
    if table.rows.len() > MAX_ROWS_UNFOLDED {
        let rows = grouped(table.rows.len() as u64);
        return format!(
            "<details class=\"table\" id=\"{id}\">\n<summary id=\"{id}-title\">{caption} ({rows} rows)</summary>\n\
             {scroll}{notes}</details>\n"
        );
    }
    format!(
        "<div class=\"table\" id=\"{id}\">\n<p class=\"caption\" id=\"{id}-title\">{caption}</p>\n{scroll}{notes}</div>\n"
    )
}

/// Whether a column has words, which stand on the left.
fn is_text(table: &Table, column: usize) -> bool {
    table.rows.iter().filter_map(|row| row.cells.get(column)).any(|cell| matches!(cell, Cell::Text(_)))
}

fn row(row: &Row, text_columns: &[bool]) -> String {
    let class = match row.kind {
        RowKind::Ordinary => "",
        RowKind::WithoutModel => " class=\"without-model\"",
        RowKind::Published => " class=\"published\"",
    };
    let mut cells = row.cells.iter().zip(text_columns);
    let label = cells.next().map(|(cell, _)| format!("<th scope=\"row\">{}</th>", content(cell))).unwrap_or_default();
    let cells: String = cells.map(|(cell, &is_text)| self::cell(cell, is_text)).collect();
    format!("<tr{class}>{label}{cells}</tr>\n")
}

/// A cell, on the left in a column of words, with what it is sorted by.
fn cell(cell: &Cell, is_text: bool) -> String {
    let class = if is_text { " class=\"text\"" } else { "" };
    let key = match cell {
        Cell::Text(_) | Cell::Unknown => String::new(),
        Cell::Score(Value { value, .. }) | Cell::Share(value) | Cell::Probability(value) => {
            format!(" data-key=\"{value}\"")
        }
        Cell::Count(count) => format!(" data-key=\"{count}\""),
    };
    format!("<td{class}{key}>{}</td>", content(cell))
}

fn content(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        Cell::Score(Value { value, interval: None }) => number(Some(*value)),
        Cell::Score(Value { value, interval: Some(ends) }) => {
            format!("{} <small>{}</small>", number(Some(*value)), range(*ends))
        }
        Cell::Count(count) => grouped(*count),
        Cell::Share(share) => percent(Some(*share)),
        Cell::Probability(p) => escaped(&probability(*p)),
        Cell::Unknown => "-".to_owned(),
    }
}

/// An interval; with words where a dash could be a minus.
fn range((lower, upper): (f64, f64)) -> String {
    let [from, to] = [lower, upper].map(|end| number(Some(end)));
    if lower < 0.0 || upper < 0.0 { format!("{from} to {to}") } else { format!("{from}–{to}") }
}

/// Prose, in which what stands between backticks is code.
fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escaped(text);
    }
    let piece = |(at, piece): (usize, &&str)| {
        if at % 2 == 1 { format!("<code>{}</code>", escaped(piece)) } else { escaped(piece) }
    };
    pieces.iter().enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(rows: Vec<Vec<Cell>>) -> String {
        let rows = rows.into_iter().map(|cells| Row { kind: RowKind::Ordinary, cells }).collect();
        let columns = ["Arm", "Verdict", "p"].map(str::to_owned).to_vec();
        table(&Table { id: "tests".to_owned(), columns, rows, ..Table::default() })
    }

    #[test]
    fn small_p_values_are_sorted_as_numbers_and_shown_as_a_bound() {
        let table = page_of(vec![vec![Cell::text("a"), Cell::text("better"), Cell::Probability(0.0004)]]);
        assert!(table.contains("<td data-key=\"0.0004\">&lt; 0.001</td>"), "{table}");
    }

    #[test]
    fn an_unknown_cell_stands_where_its_column_stands() {
        let known = vec![Cell::text("a"), Cell::text("better"), Cell::Probability(0.5)];
        let table = page_of(vec![known, vec![Cell::text("b"), Cell::Unknown, Cell::Unknown]]);
        assert!(table.contains("<td class=\"text\">-</td><td>-</td>"), "{table}");
    }
}
