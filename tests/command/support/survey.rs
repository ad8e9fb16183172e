//! Small survey files in the official format, into which tests put mistakes.

use std::fmt::Write as _;

/// A survey file: the columns that the program reads, and respondents who all answered 1.
pub(crate) struct SurveyFile {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl SurveyFile {
    /// A file of this many respondents, all in Germany.
    pub(crate) fn of(people: usize) -> Self {
        let questions = (1..=290).map(|question| format!("Q{question}"));
        let header: Vec<String> =
            ["version", "doi", "B_COUNTRY"].map(str::to_owned).into_iter().chain(questions).collect();
        let about = ["synthetic, for tests", "", "276"].map(str::to_owned);
        let row: Vec<String> = about.into_iter().chain(vec!["1".to_owned(); 290]).collect();
        Self { header, rows: vec![row; people] }
    }

    /// Sets a value in a line of the file. Lines count from 1; line 1 is the header.
    pub(crate) fn with(mut self, line: usize, column: &str, value: &str) -> Self {
        let column_index = self.column_index(column);
        value.clone_into(&mut self.rows[line - 2][column_index]);
        self
    }

    /// Sets a value for all respondents.
    pub(crate) fn with_all(mut self, column: &str, value: &str) -> Self {
        let column_index = self.column_index(column);
        self.rows.iter_mut().for_each(|row| value.clone_into(&mut row[column_index]));
        self
    }

    /// Renames a column.
    pub(crate) fn with_name(mut self, column: &str, name: &str) -> Self {
        let column_index = self.column_index(column);
        name.clone_into(&mut self.header[column_index]);
        self
    }

    pub(crate) fn text(&self) -> String {
        self.text_with(",")
    }

    /// The same with another separator.
    pub(crate) fn text_with(&self, separator: &str) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let fields: Vec<String> = row.iter().map(|field| quoted(field)).collect();
            writeln!(text, "{}", fields.join(separator)).unwrap();
        }
        text
    }

    fn column_index(&self, column: &str) -> usize {
        self.header.iter().position(|name| name == column).unwrap_or_else(|| panic!("there is no column {column}"))
    }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', ' ']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}
