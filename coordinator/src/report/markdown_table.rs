//! Writes a table as Markdown.

use super::words::on_one_line;

/// A Markdown table with its first column aligned left and the others aligned right.
pub(super) fn table(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let rule = std::iter::once("---").chain(std::iter::repeat_n("---:", header.len() - 1)).map(str::to_owned).collect();
    let lines: Vec<String> = [header, rule].into_iter().chain(rows).map(|cells| line(&cells)).collect();
    lines.join("\n")
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| on_one_line(cell).replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}
