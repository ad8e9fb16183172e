//! Finds out how a survey file is written: which line is its header, and what separates its fields.

use crate::id::QuestionId;

/// Separators that programs use, the usual one first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The header is looked for in this many lines.
const LINES: usize = 200;

/// A line with so many names of questions is the header. All 290 are needed, which is checked later, with an error that
/// names those that are missing.
const ENOUGH_QUESTIONS: usize = 20;

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) separator: u8,
    /// The lines above the header.
    pub(super) lines_above: u64,
    /// Their bytes.
    pub(super) bytes_above: usize,
}

impl Dialect {
    /// How the official file is written.
    pub(super) const USUAL: Self = Self { separator: b',', lines_above: 0, bytes_above: 0 };

    /// The dialect of a file that begins with these bytes. The usual one, if no line looks like the header: an error about
    /// the columns then says more.
    pub(super) fn find(beginning: &[u8]) -> Self {
        let (mut lines_above, mut bytes_above) = (0, 0);
        for line in beginning.split_inclusive(|&byte| byte == b'\n').take(LINES) {
            let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
            if let Some(separator) = SEPARATORS.into_iter().find(|&separator| is_header(text, separator)) {
                return Self { separator, lines_above, bytes_above };
            }
            lines_above += 1;
            bytes_above += line.len();
        }
        Self::USUAL
    }
}

fn is_header(line: &[u8], separator: u8) -> bool {
    let is_question = |field: &&[u8]| name(field).is_some_and(|name| name.parse::<QuestionId>().is_ok());
    line.split(|&byte| byte == separator).filter(is_question).take(ENOUGH_QUESTIONS).count() == ENOUGH_QUESTIONS
}

/// The name of a column: without quotation marks and spaces, and without the label that files of one country add
/// (`Q1: Important in life: Family`).
pub(super) fn name(field: &[u8]) -> Option<&str> {
    let text = str::from_utf8(field).ok()?.trim_matches(|c: char| c == '"' || c.is_whitespace());
    let (name, _) = text.split_once(':').unwrap_or((text, ""));
    Some(name.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(separator: &str) -> String {
        let names: Vec<String> = QuestionId::all().map(|id| id.to_string()).collect();
        format!("version{separator}{}", names.join(separator))
    }

    #[test]
    fn separator_and_header_are_found() {
        for separator in [",", ";", "\t", "|"] {
            for above in ["", "World Values Survey, Wave 7; see Q1, Q2\n\n\"cited\"\n"] {
                let found = Dialect::find(format!("{above}{}\n1,2\n", header(separator)).as_bytes());
                let lines_above = above.matches('\n').count() as u64;
                let expected = Dialect { separator: separator.as_bytes()[0], lines_above, bytes_above: above.len() };
                assert_eq!(found, expected);
            }
        }
        assert_eq!(Dialect::find(format!("\u{feff}{}", header(";")).as_bytes()).separator, b';');
        assert_eq!(Dialect::find(b"a;b\n1;2\n"), Dialect::USUAL);
        assert_eq!(Dialect::find(b""), Dialect::USUAL);
    }

    #[test]
    fn a_name_has_no_label() {
        assert_eq!(name(b"\"Q1: Important in life: Family\""), Some("Q1"));
        assert_eq!((name(b" B_COUNTRY "), name(b""), name(b"\xff")), (Some("B_COUNTRY"), Some(""), None));
    }
}
