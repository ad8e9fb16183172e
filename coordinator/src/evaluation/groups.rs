//! Groups of people by columns of the survey: country, sex, age, or whatever column the user names.

use std::collections::{BTreeMap, BTreeSet};

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::experiment::EvaluationSettings;
use valuesim_shared::id::{Code, QuestionId, Respondent};
use valuesim_shared::survey::{Places, Survey, TextColumn};

use crate::statistics::MIN_BEFORE_STOPPING;

/// The country's column in the survey file.
pub(crate) const COUNTRY: &str = "B_COUNTRY";

/// The columns by which every run is broken down, if the survey has them, and what they say of people.
const STANDARD: [(&str, &str); 7] = [
    (COUNTRY, "country"),
    ("N_REGION_ISO", "region"),
    ("Q260", "sex"),
    (AGE, "age group"),
    ("Q275", "education"),
    ("Q288", "income"),
    ("LNGE_ISO", "language of the interview"),
];

/// The column with the age in years, which is grouped.
const AGE: &str = "Q262";

/// Lower ends of the age groups.
const AGES: [i32; 6] = [0, 25, 35, 45, 55, 65];

/// The most groups of a column: enough for all regions. With more, counting the answers by group would take too much memory.
const MAX_GROUPS_OF_A_COLUMN: usize = 1_500;

/// Marks a respondent without a value.
const NO_GROUP: u16 = u16::MAX;

/// A column that cannot make groups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// The survey has no such column.
    #[error("the survey has no column {0:?}: expected a question, such as Q273, or another column of the survey file")]
    Unknown(String),
    /// Everybody would be a group of their own.
    #[error(
        "column {column:?} has more than {MAX_GROUPS_OF_A_COLUMN} different values: expected one that makes groups"
    )]
    TooManyGroups {
        /// The column.
        column: String,
    },
    /// None of its groups is large enough for a rule that waits for each of them.
    #[error(
        "column {column:?} has no group of {MIN_BEFORE_STOPPING} people, of whom a precision for each group needs as many: \
         expected one with larger groups"
    )]
    TooFewPeople {
        /// The column.
        column: String,
    },
    /// It has no weights.
    #[error(
        "column {0:?} has no weights: expected numbers, at least one of them above 0, such as W_WEIGHT, S018 or PWGHT"
    )]
    NoWeights(String),
}

/// Checks that the columns that an experiment names make groups, and that the one with weights has some.
pub fn check_columns(survey: &Survey, codebook: &Codebook, settings: &EvaluationSettings) -> Result<(), ColumnError> {
    weights(survey, settings.weights.as_deref())?;
    Column::all(survey, codebook, &settings.by).map(drop)
}

/// A weight for each respondent of the survey, 0 where the column has no number above 0; `None` if no column is named.
pub(crate) fn weights(survey: &Survey, column: Option<&str>) -> Result<Option<Vec<f64>>, ColumnError> {
    let Some(name) = column else { return Ok(None) };
    let column = survey.column(name).ok_or_else(|| ColumnError::Unknown(name.to_owned()))?;
    let weights: Vec<f64> = column.numbers().into_iter().map(|number| number.unwrap_or(0.0).max(0.0)).collect();
    let has_some = weights.iter().any(|&weight| weight > 0.0);
    if has_some { Ok(Some(weights)) } else { Err(ColumnError::NoWeights(name.to_owned())) }
}

/// The groups that one column makes of all respondents of the survey.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// The column's name in the survey file.
    pub(crate) name: String,
    /// What it says of people.
    pub(crate) title: String,
    /// The groups in the order of their values.
    pub(crate) groups: Vec<GroupName>,
    /// The number of its first group among the groups of all columns, in which 0 is everybody.
    pub(crate) first: usize,
    /// The group of each respondent, or [`NO_GROUP`].
    of: Vec<u16>,
    /// Where the respondents stand in it.
    places: Places,
}

/// A group's value in the survey file, and its name for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupName {
    pub(crate) value: String,
    pub(crate) label: String,
}

impl Column {
    /// The standard columns that the survey has, then those that the user names. One without any group is left out.
    pub(crate) fn all(survey: &Survey, codebook: &Codebook, named: &[String]) -> Result<Vec<Self>, ColumnError> {
        let own = named.iter().map(|name| (name.as_str(), name.as_str()));
        let own = own.filter(|(name, _)| STANDARD.iter().all(|(standard, _)| standard != name));
        let mut columns = Vec::new();
        for (name, title) in STANDARD.into_iter().chain(own) {
            match Self::new(survey, codebook, (name, title)) {
                Ok(column) => columns.push(column),
                Err(error) if named.iter().any(|named| named == name) => return Err(error),
                // The file lacks a standard column, or it makes no groups.
                Err(_) => {}
            }
        }
        columns.retain(|column| !column.groups.is_empty());
        let mut first = 1;
        for column in &mut columns {
            column.first = first;
            first += column.groups.len();
        }
        Ok(columns)
    }

    /// The column of this name.
    pub(super) fn named(survey: &Survey, codebook: &Codebook, name: &str) -> Result<Self, ColumnError> {
        Self::new(survey, codebook, (name, name))
    }

    fn new(survey: &Survey, codebook: &Codebook, (name, title): (&str, &str)) -> Result<Self, ColumnError> {
        let grouping = match name.parse::<QuestionId>() {
            Ok(question) if name == AGE => by_code(survey, question, age_group, age_label),
            Ok(question) => by_code(survey, question, Some, |code| answer_label(codebook.question(question), code)),
            Err(_) if name == COUNTRY => by_country(survey, codebook),
            Err(_) => by_text(survey.column(name).ok_or_else(|| ColumnError::Unknown(name.to_owned()))?),
        };
        let (groups, of) = grouping.ok_or_else(|| ColumnError::TooManyGroups { column: name.to_owned() })?;
        let places = survey.places().clone();
        Ok(Self { name: name.to_owned(), title: title.to_owned(), groups, first: 1, of, places })
    }

    /// A respondent's group; `None` if the survey has no value.
    pub(crate) fn group(&self, respondent: Respondent) -> Option<usize> {
        let group = self.of[self.places.of(respondent)];
        (group != NO_GROUP).then_some(group.into())
    }

    /// How many of some respondents are in each group.
    pub(crate) fn sizes(&self, respondents: impl Iterator<Item = Respondent>) -> Vec<u64> {
        let mut sizes = vec![0; self.groups.len()];
        respondents.filter_map(|respondent| self.group(respondent)).for_each(|group| sizes[group] += 1);
        sizes
    }
}

/// Names of groups, and each respondent's group; `None` if there are too many.
type Grouping = Option<(Vec<GroupName>, Vec<u16>)>;

fn by_code(
    survey: &Survey,
    question: QuestionId,
    group: impl Fn(Code) -> Option<Code>,
    label: impl Fn(Code) -> String,
) -> Grouping {
    let value = |respondent| {
        let code = survey.code(respondent, question);
        if code.is_missing() { None } else { group(code) }
    };
    grouping(survey, value, |code| GroupName { value: code.to_string(), label: label(code) })
}

fn by_country(survey: &Survey, codebook: &Codebook) -> Grouping {
    let name = |country| {
        let known = codebook.country(country);
        let value = known.map_or_else(|| country.0.to_string(), |known| known.alpha.clone());
        let label = known.map_or_else(|| value.clone(), |known| known.name.clone());
        GroupName { value, label }
    };
    grouping(survey, |respondent| Some(survey.country(respondent)), name)
}

fn by_text(column: &TextColumn) -> Grouping {
    // Codes of all columns that stand for no answer are negative.
    let stands_for_nothing = |text: &str| text.trim().is_empty() || text.parse().is_ok_and(|number: f64| number < 0.0);
    let mut names = Vec::new();
    let mut groups = Vec::with_capacity(column.values().len());
    for text in column.values() {
        if stands_for_nothing(text) {
            groups.push(NO_GROUP);
        } else {
            groups.push(group_number(names.len())?);
            names.push(GroupName { value: text.clone(), label: text.clone() });
        }
    }
    let of = column.places().iter().map(|&place| groups[place as usize]).collect();
    Some((names, of))
}

/// Groups respondents by a value; the groups are in the order of the values.
fn grouping<V: Ord + Copy>(
    survey: &Survey,
    value: impl Fn(Respondent) -> Option<V>,
    name: impl Fn(V) -> GroupName,
) -> Grouping {
    let values: Vec<Option<V>> = survey.everybody().map(value).collect();
    let distinct: BTreeSet<V> = values.iter().copied().flatten().collect();
    let mut groups = BTreeMap::new();
    for (at, &value) in distinct.iter().enumerate() {
        groups.insert(value, group_number(at)?);
    }
    let group = |value: &Option<V>| value.and_then(|value| groups.get(&value).copied()).unwrap_or(NO_GROUP);
    let of = values.iter().map(group).collect();
    Some((distinct.into_iter().map(name).collect(), of))
}

fn group_number(at: usize) -> Option<u16> {
    u16::try_from(at).ok().filter(|_| at < MAX_GROUPS_OF_A_COLUMN)
}

/// The lower end of the group of an age; `None` for what is no age.
fn age_group(age: Code) -> Option<Code> {
    AGES.into_iter().rev().find(|&from| from <= age.0).map(Code)
}

fn age_label(from: Code) -> String {
    let next = AGES.into_iter().find(|&next| next > from.0);
    match (from.0, next) {
        (0, Some(next)) => format!("under {next}"),
        (from, Some(next)) => format!("{from} to {}", next - 1),
        (from, None) => format!("{from} or older"),
    }
}

fn answer_label(question: &Question, code: Code) -> String {
    question.label(code).map_or_else(|| code.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use valuesim_shared::id::{Country, QUESTIONS};
    use valuesim_shared::survey::SurveyBuilder;

    fn survey(people: &[(u16, i32)]) -> Survey {
        let mut builder = SurveyBuilder::new();
        for &(country, code) in people {
            builder.push(Country(country), &[Code(code); QUESTIONS]);
        }
        builder.finish("synthetic")
    }

    fn column(people: &[(u16, i32)], name: &str) -> Option<(Vec<String>, Vec<Option<usize>>)> {
        let (survey, named) = (survey(people), [name.to_owned()]);
        let columns = Column::all(&survey, &fixture::codebook(), &named).ok()?;
        let column = columns.into_iter().find(|column| column.name == name)?;
        let groups = (0..people.len()).map(|index| column.group(Respondent::from_index(index))).collect();
        Some((column.groups.into_iter().map(|group| group.label).collect(), groups))
    }

    #[test]
    fn ages_are_grouped() {
        let (names, groups) = column(&[(76, 16), (76, 24), (76, 25), (76, 99), (76, -2)], "Q262").expect("has ages");
        assert_eq!(names, ["under 25", "25 to 34", "65 or older"]);
        assert_eq!(groups, [Some(0), Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn countries_have_their_names_and_questions_their_labels() {
        let people = [(76, 2), (36, 1), (999, 2), (76, -5)];
        assert_eq!(
            column(&people, COUNTRY),
            Some((
                vec!["Australia".to_owned(), "Brazil".to_owned(), "999".to_owned()],
                vec![Some(1), Some(0), Some(2), Some(1)]
            ))
        );
        let (names, groups) = column(&people, "Q1").expect("a question that the user names");
        assert_eq!(names, ["Q1=1", "Q1=2"]);
        assert_eq!(groups, [Some(1), Some(0), Some(1), None]);
    }

    #[test]
    fn a_column_that_the_survey_lacks_makes_no_groups() {
        assert_eq!(column(&[(76, -1)], "Q1"), None);
        let all = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
            Column::all(&survey(&[(76, 1)]), &fixture::codebook(), &named).map(|columns| columns.len())
        };
        // Country, sex, age, education, income.
        assert_eq!(all(&[]), Ok(5));
        assert_eq!(all(&["PWGHT"]), Err(ColumnError::Unknown("PWGHT".to_owned())));
    }

    #[test]
    fn a_column_in_which_everybody_differs_makes_no_groups() {
        let people: Vec<(u16, i32)> = (0..2_000).map(|year| (76, year)).collect();
        let named = ["Q261".to_owned()];
        let found = Column::all(&survey(&people), &fixture::codebook(), &named);
        assert_eq!(found, Err(ColumnError::TooManyGroups { column: "Q261".to_owned() }));
    }
}
