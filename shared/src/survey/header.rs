//! Finds the columns that are kept by their names in the header.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::SurveyError;
use super::record::Record;
use crate::id::QuestionId;

/// How many missing columns an error names.
const EXAMPLES: usize = 5;

/// Where in a row the kept fields are.
#[derive(Debug)]
pub(super) struct Layout {
    /// How many fields a row has.
    pub(super) width: usize,
    pub(super) version: usize,
    /// The official files have it; nothing but the name of the edition depends on it.
    pub(super) doi: Option<usize>,
    pub(super) country: usize,
    /// Fields of Q1 to Q290.
    pub(super) questions: Vec<usize>,
}

/// The name of the column with the country.
pub(super) const COUNTRY: &str = "B_COUNTRY";

/// The name of the column with the edition.
pub(super) const VERSION: &str = "version";

impl Layout {
    /// The layout that a header gives, or what kind of file it is instead.
    pub(super) fn read(file: &Path, header: &Record<'_>) -> Result<Self, SurveyError> {
        let names = names(file, header)?;
        if is_country_file(&names) {
            return Err(SurveyError::CountryFile { file: file.to_owned() });
        }
        let places: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
        let wanted = || QuestionId::all().map(|id| id.to_string()).chain([COUNTRY, VERSION].map(str::to_owned));
        let missing: Vec<_> = wanted().filter(|name| !places.contains_key(name.as_str())).collect();
        if !missing.is_empty() {
            return Err(wrong_columns(file, &places, &missing));
        }
        if let Some(column) = wanted().find(|name| names.iter().filter(|other| *other == name).count() > 1) {
            return Err(SurveyError::ColumnTwice { file: file.to_owned(), column });
        }
        Ok(Self {
            width: names.len(),
            version: places[VERSION],
            doi: places.get("doi").copied(),
            country: places[COUNTRY],
            questions: QuestionId::all().map(|id| places[id.to_string().as_str()]).collect(),
        })
    }
}

fn names<'a>(file: &Path, header: &Record<'a>) -> Result<Vec<&'a str>, SurveyError> {
    let names: Option<Vec<_>> = header.fields().map(|field| str::from_utf8(field).ok()).collect();
    let is_text = |names: &Vec<&str>| names.iter().all(|name| !name.contains(char::is_control));
    names.filter(is_text).ok_or_else(|| SurveyError::NotASurvey {
        file: file.to_owned(),
        found: "it begins with something other than UTF-8 text".to_owned(),
    })
}

/// Read with commas, the header of a country's file is one long field.
fn is_country_file(names: &[&str]) -> bool {
    names.iter().map(|name| name.matches(';').count()).sum::<usize>() > names.len()
}

/// What kind of file it is whose columns are `places`, where `missing` should be too.
fn wrong_columns(file: &Path, places: &BTreeMap<&str, usize>, missing: &[String]) -> SurveyError {
    let file = file.to_owned();
    let inverted = |question: &&String| places.contains_key(format!("{question}P").as_str());
    if let Some(question) = missing.iter().find(inverted) {
        return SurveyError::Inverted { file, column: format!("{question}P"), question: question.clone() };
    }
    if places.keys().any(|name| name.trim_start().starts_with('<')) {
        return SurveyError::NotASurvey { file, found: "it is a web page or XML".to_owned() };
    }
    let examples = missing.iter().take(EXAMPLES).cloned().collect();
    SurveyError::MissingColumns { file, count: missing.len(), examples }
}
