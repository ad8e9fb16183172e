//! The answers of all respondents, loaded from the survey file.

mod column;
mod csv_fields;
mod dialect;
mod edition;
mod error;
mod header;
mod load;
mod open;
mod places;
mod record;
mod text_column;
mod utf16;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use column::Column;

use crate::id::{Code, Country, QUESTIONS, QuestionId, Respondent};

pub use edition::{Edition, Release};
pub use error::{SurveyError, ValueFault};
pub use places::{MAX_ID, Places};
pub use text_column::TextColumn;

/// The answers of all respondents to all questions, with their countries.
///
/// Stored by column, in the narrowest integers that hold the column's codes: 30 MB for the official file.
#[derive(Debug, Clone)]
pub struct Survey {
    edition: Edition,
    countries: Vec<Country>,
    columns: Vec<Column>,
    /// Further columns of the file, by name.
    texts: BTreeMap<String, TextColumn>,
    digest: [u8; 32],
    as_read: AsRead,
    places: Places,
}

/// What was unusual about a file as it was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AsRead {
    /// What separates its fields, if not commas.
    pub separator: Option<char>,
    /// Lines above its header, which were skipped.
    pub lines_above: u64,
    /// The column that names the respondents, if their rows do not.
    pub ids_from: Option<String>,
    /// Answers that were blank, or `NA` and the like, and were taken as missing.
    pub blanks: u64,
}

impl Survey {
    /// The number of respondents. They have the rows 1 to this number, unless a column of the file names them.
    pub fn respondents(&self) -> usize {
        self.countries.len()
    }

    /// All respondents, in the order of the file.
    pub fn everybody(&self) -> impl ExactSizeIterator<Item = Respondent> + '_ {
        (0..self.respondents()).map(|index| self.places.respondent(index))
    }

    /// Whether it has this respondent.
    pub fn has(&self, respondent: Respondent) -> bool {
        self.places.has(respondent, self.respondents())
    }

    /// The positions of the respondents.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// A respondent's answer, which may be a missing code.
    ///
    /// # Panics
    /// If there is no such respondent.
    pub fn code(&self, respondent: Respondent, question: QuestionId) -> Code {
        self.columns[question.index()].get(self.places.of(respondent))
    }

    /// The country in which a respondent was interviewed.
    ///
    /// # Panics
    /// If there is no such respondent.
    pub fn country(&self, respondent: Respondent) -> Country {
        self.countries[self.places.of(respondent)]
    }

    /// A further column of the file, as text; `None` if it was not loaded.
    pub fn column(&self, name: &str) -> Option<&TextColumn> {
        self.texts.get(name)
    }

    /// The edition of the survey.
    pub fn edition(&self) -> &Edition {
        &self.edition
    }

    /// What was unusual about the file.
    pub fn as_read(&self) -> &AsRead {
        &self.as_read
    }

    /// The number of respondents of the official release of which the file has only some; `None` if it has all, or is none.
    pub fn extract_of(&self) -> Option<usize> {
        self.edition.release.rows().filter(|&rows| rows > self.respondents())
    }

    /// Whether the survey is labelled as synthetic.
    pub fn is_synthetic(&self) -> bool {
        self.edition.release == Release::Synthetic
    }

    /// The hash of edition, countries, codes, and ids if a column gives them. It depends neither on further columns nor on how the file was packed.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// Collects respondents one by one into a [`Survey`].
#[derive(Debug)]
pub struct SurveyBuilder {
    countries: Vec<Country>,
    columns: Vec<Column>,
    /// The latest respondents, not yet added to the columns.
    latest: Vec<[Code; QUESTIONS]>,
}

/// Respondents added to the columns at once: filling column by column is faster than respondent by respondent.
const BLOCK: usize = 64;

impl SurveyBuilder {
    /// A survey without respondents.
    pub fn new() -> Self {
        Self { countries: Vec::new(), columns: vec![Column::default(); QUESTIONS], latest: Vec::new() }
    }

    /// The number of respondents so far.
    pub fn respondents(&self) -> usize {
        self.countries.len()
    }

    /// Adds the next respondent: the country, and the answers in the order Q1 to Q290.
    pub fn push(&mut self, country: Country, codes: &[Code; QUESTIONS]) {
        self.countries.push(country);
        self.latest.push(*codes);
        if self.latest.len() == BLOCK {
            self.fill_columns();
        }
    }

    fn fill_columns(&mut self) {
        for (index, column) in self.columns.iter_mut().enumerate() {
            column.extend(self.latest.iter().map(|codes| codes[index]));
        }
        self.latest.clear();
    }

    /// The survey, with the edition that its `version` column names.
    pub fn finish(self, version: &str) -> Survey {
        let rows = self.respondents();
        self.finish_as(Edition::recognise(version, "", rows))
    }

    fn finish_as(mut self, edition: Edition) -> Survey {
        self.fill_columns();
        self.countries.shrink_to_fit();
        self.columns.iter_mut().for_each(Column::shrink_to_fit);
        let digest = digest(&edition, &self.countries, &self.columns);
        let (countries, columns, texts, as_read) = (self.countries, self.columns, BTreeMap::new(), AsRead::default());
        Survey { edition, countries, columns, texts, digest, as_read, places: Places::default() }
    }
}

impl Default for SurveyBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// The digest of a survey whose respondents have these ids.
fn digest_with_ids(digest: [u8; 32], ids: &[Respondent]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"ids").update(&digest);
    for id in ids {
        hasher.update(&id.row().to_le_bytes());
    }
    hasher.finalize().into()
}

/// Hashes lengths before contents, so that no two surveys give the same bytes.
fn digest(edition: &Edition, countries: &[Country], columns: &[Column]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(edition.version.len() as u64).to_le_bytes());
    hasher.update(edition.version.as_bytes());
    hasher.update(&(countries.len() as u64).to_le_bytes());
    for country in countries {
        hasher.update(&country.0.to_le_bytes());
    }
    for column in columns {
        column.hash_into(&mut hasher);
    }
    hasher.finalize().into()
}
