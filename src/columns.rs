//! Lays out texts in columns for a terminal, with control characters escaped and line breaks removed.

use valuesim_coordinator::terminal_escape::visible;

/// Blanks between two columns.
const GAP: &str = "  ";

/// The widest column and the longest text, in characters. Parts of texts come from servers; and formatting panics for widths over
/// 65,535.
const MAX_WIDTH: usize = 400;
const MAX_TEXT: usize = 4_000;

/// Stands for a missing value.
pub(crate) const NOTHING: &str = "-";

/// A text on one line, with control characters escaped.
pub(crate) fn one_line(text: &str) -> String {
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a text, on one line.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(most) {
        None => line,
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
    }
}

/// The rows as lines that begin with `indent`, with columns as wide as their longest text. Texts that are longer than any of this
/// program's own are cut, and take no room from others.
pub(crate) fn columns<const N: usize>(indent: &str, rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|text| shortened(text, MAX_TEXT))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(|column| width(column).min(MAX_WIDTH));
    let line = |row: &[String; N]| {
        let padded: Vec<String> = row.iter().zip(widths).map(|(text, width)| format!("{text:<width$}")).collect();
        format!("{indent}{}", padded.join(GAP)).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_to_be_and_a_row_is_a_line() {
        let rows =
            [["a", "bb", ""], ["ccc", "d\ne", "f"], ["naïve", "\u{1b}[2J", "x"]].map(|row| row.map(str::to_owned));
        let expected = "  a      bb\n  ccc    d e        f\n  naïve  \\u{1b}[2J  x\n";
        assert_eq!(columns("  ", &rows), expected);
    }

    #[test]
    fn a_text_of_a_million_characters_is_cut_and_widens_no_column() {
        let rows = [["x".repeat(1_000_000), "b".to_owned()], ["c".to_owned(), "d".to_owned()]];
        let lines: Vec<usize> = columns("", &rows).lines().map(|line| line.chars().count()).collect();
        assert_eq!(lines, [MAX_TEXT + 1 + GAP.len() + 1, MAX_WIDTH + GAP.len() + 1]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let check = |text: &str, most, expected: &str| assert_eq!(shortened(text, most), expected);
        check("naïve", 5, "naïve");
        check("naïve", 3, "naï…");
        check("a  b\nc", 9, "a b c");
        check("ab cd", 3, "ab…");
        check("", 0, "");
    }
}
