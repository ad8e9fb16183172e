//! Finds the columns to load by their names in the header.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::SurveyError;
use super::record::Record;
use crate::id::QuestionId;

/// The number of missing columns that an error names.
const EXAMPLES: usize = 5;

/// The positions of the loaded fields in a row.
#[derive(Debug)]
pub(super) struct Layout {
    /// The number of fields in a row.
    pub(super) width: usize,
    pub(super) version: usize,
    /// Optional; only used to recognise the edition.
    pub(super) doi: Option<usize>,
    pub(super) country: usize,
    /// Positions of Q1 to Q290.
    pub(super) questions: Vec<usize>,
}

/// The column with the country.
pub(super) const COUNTRY: &str = "B_COUNTRY";

/// The column with the version of the survey.
pub(super) const VERSION: &str = "version";

impl Layout {
    /// Reads the layout from a header. The error says what kind of file it is instead.
    pub(super) fn read(file: &Path, header: &Record<'_>) -> Result<Self, SurveyError> {
        let names = names(file, header)?;
        if is_country_file(&names) {
            return Err(SurveyError::CountryFile { file: file.to_owned() });
        }
        let positions: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
        let wanted = || QuestionId::all().map(|id| id.to_string()).chain([COUNTRY, VERSION].map(str::to_owned));
        let missing: Vec<_> = wanted().filter(|name| !positions.contains_key(name.as_str())).collect();
        if !missing.is_empty() {
            return Err(wrong_columns(file, &positions, &missing));
        }
        if let Some(column) = wanted().find(|name| names.iter().filter(|other| *other == name).count() > 1) {
            return Err(SurveyError::ColumnTwice { file: file.to_owned(), column });
        }
        Ok(Self {
            width: names.len(),
            version: positions[VERSION],
            doi: positions.get("doi").copied(),
            country: positions[COUNTRY],
            questions: QuestionId::all().map(|id| positions[id.to_string().as_str()]).collect(),
        })
    }
}

fn names<'a>(file: &Path, header: &Record<'a>) -> Result<Vec<&'a str>, SurveyError> {
    let names: Option<Vec<_>> = header.fields().map(|field| str::from_utf8(field).ok()).collect();
    let is_text = |names: &Vec<&str>| names.iter().all(|name| !name.contains(char::is_control));
    names.filter(is_text).ok_or_else(|| SurveyError::NotASurvey {
        file: file.to_owned(),
        found: "it does not begin with UTF-8 text".to_owned(),
    })
}

/// The header of a single country's file has semicolons, so it reads as one long field.
fn is_country_file(names: &[&str]) -> bool {
    names.iter().map(|name| name.matches(';').count()).sum::<usize>() > names.len()
}

/// The error for a file with the columns `positions` that lacks the columns `missing`.
fn wrong_columns(file: &Path, positions: &BTreeMap<&str, usize>, missing: &[String]) -> SurveyError {
    let file = file.to_owned();
    let inverted = |question: &&String| positions.contains_key(format!("{question}P").as_str());
    if let Some(question) = missing.iter().find(inverted) {
        return SurveyError::Inverted { file, column: format!("{question}P"), question: question.clone() };
    }
    if positions.keys().any(|name| name.trim_start().starts_with('<')) {
        return SurveyError::NotASurvey { file, found: "it is a web page or XML".to_owned() };
    }
    let examples = missing.iter().take(EXAMPLES).cloned().collect();
    SurveyError::MissingColumns { file, count: missing.len(), examples }
}
