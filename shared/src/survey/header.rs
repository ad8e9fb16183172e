//! Finds the columns to load by their names in the header.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::dialect;
use super::error::SurveyError;
use super::record::Record;
use crate::id::QuestionId;

/// The number of missing columns that an error names.
const EXAMPLES: usize = 5;

/// The positions of the loaded fields in a row.
#[derive(Debug)]
pub(super) struct Layout {
    /// The number of fields in the header.
    pub(super) width: usize,
    /// Whether the header ends in a separator, so that its last field is none.
    pub(super) has_empty_end: bool,
    /// Optional; only used to recognise the edition.
    pub(super) version: Option<usize>,
    /// Optional; only used to recognise the edition.
    pub(super) doi: Option<usize>,
    pub(super) country: usize,
    /// Of the column that names the respondents, if one does.
    pub(super) id: Option<usize>,
    /// Positions of Q1 to Q290.
    pub(super) questions: Vec<usize>,
    /// Names and positions of further columns.
    pub(super) further: Vec<(String, usize)>,
}

/// The column with the country.
pub(super) const COUNTRY: &str = "B_COUNTRY";

/// Further columns that are kept if the file has them: region and language of the interview.
const KEPT_IF_THERE: [&str; 2] = ["N_REGION_ISO", "LNGE_ISO"];

/// The column with the version of the survey.
pub(super) const VERSION: &str = "version";

impl Layout {
    /// Reads the layout from a header, with `further` columns and the one with ids, if there is one. The error says what kind of file it is instead.
    pub(super) fn read(
        file: &Path,
        header: &Record<'_>,
        (further, id_column): (&[String], Option<&str>),
    ) -> Result<Self, SurveyError> {
        let names = names(file, header)?;
        let positions: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
        let wanted = || QuestionId::all().map(|id| id.to_string()).chain([COUNTRY.to_owned()]);
        let missing: Vec<_> = wanted().filter(|name| !positions.contains_key(name.as_str())).collect();
        if !missing.is_empty() {
            return Err(wrong_columns(file, &positions, &missing));
        }
        let with_id = || wanted().chain(id_column.map(str::to_owned));
        if let Some(column) = with_id().find(|name| names.iter().filter(|other| *other == name).count() > 1) {
            return Err(SurveyError::ColumnTwice { file: file.to_owned(), column });
        }
        let further = further_columns(file, &positions, further)?;
        let id = id_column.map(|column| {
            let no_such = || SurveyError::NoSuchColumn { file: file.to_owned(), column: column.to_owned() };
            positions.get(column).copied().ok_or_else(no_such)
        });
        Ok(Self {
            width: names.len(),
            has_empty_end: names.len() > 1 && names.last().is_some_and(|name| name.is_empty()),
            version: positions.get(VERSION).copied(),
            doi: positions.get("doi").copied(),
            country: positions[COUNTRY],
            id: id.transpose()?,
            questions: QuestionId::all().map(|id| positions[id.to_string().as_str()]).collect(),
            further,
        })
    }
}

/// The columns that are kept if they are there, and the `named` ones, which must be.
fn further_columns(
    file: &Path,
    positions: &BTreeMap<&str, usize>,
    named: &[String],
) -> Result<Vec<(String, usize)>, SurveyError> {
    if let Some(column) = named.iter().find(|name| !positions.contains_key(name.as_str())) {
        return Err(SurveyError::NoSuchColumn { file: file.to_owned(), column: column.clone() });
    }
    let all = KEPT_IF_THERE.into_iter().chain(named.iter().map(String::as_str)).collect::<BTreeSet<_>>();
    Ok(all.into_iter().filter_map(|name| Some((name.to_owned(), *positions.get(name)?))).collect())
}

fn names<'a>(file: &Path, header: &Record<'a>) -> Result<Vec<&'a str>, SurveyError> {
    let names: Option<Vec<_>> = header.fields().map(dialect::name).collect();
    let is_text = |names: &Vec<&str>| names.iter().all(|name| !name.contains(char::is_control));
    names.filter(is_text).ok_or_else(|| SurveyError::NotASurvey {
        file: file.to_owned(),
        found: "it does not begin with UTF-8 text".to_owned(),
    })
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
