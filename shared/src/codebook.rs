//! The questions with their wording, options, codes, measurement levels and categories.

mod built_in;
mod country;
mod error;
#[cfg(test)]
mod example;
mod load;
mod reference;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Code, Country, QUESTIONS, QuestionId};

pub use error::CodebookError;

/// The questions of a survey and the names of its countries.
///
/// Has exactly 290 questions, in order, so [`Codebook::question`] is an array access.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Codebook {
    /// The source of the wording: `valuesim`, or the name of the loaded file.
    pub name: String,
    /// Q1 to Q290 in order.
    questions: Vec<Question>,
    /// Countries in ascending order of their ISO 3166-1 numeric codes.
    countries: Vec<CountryName>,
}

/// A codebook as read from a message, before its questions are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    name: String,
    questions: Vec<Question>,
    countries: Vec<CountryName>,
}

impl TryFrom<Unchecked> for Codebook {
    type Error = CodebookError;

    fn try_from(read: Unchecked) -> Result<Self, CodebookError> {
        assemble(read.name, read.questions, read.countries)
    }
}

impl Codebook {
    /// A codebook of these questions and countries, in any order. Fails unless each question occurs exactly once.
    pub fn new(name: String, questions: Vec<Question>, countries: Vec<CountryName>) -> Result<Self, CodebookError> {
        assemble(name, questions, countries)
    }

    /// The entry for a question.
    pub fn question(&self, id: QuestionId) -> &Question {
        &self.questions[id.index()]
    }

    /// All 290 entries in order.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// The entry for a country, if the codebook has one.
    pub fn country(&self, country: Country) -> Option<&CountryName> {
        let at = self.countries.binary_search_by_key(&country, |c| c.code).ok()?;
        Some(&self.countries[at])
    }

    /// All countries in ascending order of their codes.
    pub fn countries(&self) -> &[CountryName] {
        &self.countries
    }
}

/// A country or territory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountryName {
    /// ISO 3166-1 numeric code.
    pub code: Country,
    /// ISO 3166-1 alpha-3 code, as in `B_COUNTRY_ALPHA`.
    pub alpha: String,
    /// English short name.
    pub name: String,
}

/// One survey item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The question's id.
    pub id: QuestionId,
    /// The wording of the question.
    pub text: String,
    /// The answers to choose from, in the order shown; empty for open questions.
    pub options: Vec<AnswerOption>,
    /// The sentences that state an answer in a profile.
    pub natural: Natural,
    /// The measurement level of the codes.
    pub level: Level,
    /// Whether a higher code means more or less of what the question names; `None` for nominal questions.
    pub direction: Option<Direction>,
    /// The section of the questionnaire, one of 14.
    pub section: String,
    /// The category in the paper's tables, one of nine.
    pub category: Category,
    /// The codes on the scale in substantive order: ascending for most questions, empty if there is no scale.
    pub scale: Vec<Code>,
    /// The missing codes listed for this question in the official codebook.
    pub missing: Vec<Code>,
    /// For open questions, what the codes mean.
    pub open: Option<OpenValues>,
    /// For numeric questions, the lowest and the highest value in the official file.
    pub range: Option<(i32, i32)>,
}

impl Question {
    /// Whether `code` is one of the options.
    pub fn has_option(&self, code: Code) -> bool {
        self.options.iter().any(|option| option.code == code)
    }

    /// The label of an option.
    pub fn label(&self, code: Code) -> Option<&str> {
        self.options.iter().find(|option| option.code == code).map(|option| option.label.as_str())
    }

    /// Whether `code` can be an answer: an option, or for an open question any plausible value that is not missing.
    pub fn accepts(&self, code: Code) -> bool {
        if !self.options.is_empty() {
            return self.has_option(code);
        }
        match self.range {
            // Wider than the official file's range: the next wave has older respondents and later years of birth.
            Some((least, most)) => (least - 25..=most + 25).contains(&code.0) && !code.is_missing(),
            None => !code.is_missing(),
        }
    }

    /// Whether a prediction of the answer can count for a score: it has options, and they are not placeholders, as those
    /// that the paper's question file gives for parties, languages and ethnic groups.
    pub fn can_count(&self) -> bool {
        !self.options.is_empty() && self.level != Level::NominalOpen
    }

    /// The position of a code on the scale in substantive order, counted from 0.
    pub fn position(&self, code: Code) -> Option<usize> {
        self.scale.iter().position(|&on_scale| on_scale == code)
    }
}

/// One of a question's answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerOption {
    /// The answer's code in the data file.
    pub code: Code,
    /// The wording of the answer.
    pub label: String,
}

/// How a profile states an answer in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Natural {
    /// The text before the bare value if there is neither a sentence nor a template.
    pub text: String,
    /// A sentence for each code.
    pub sentences: Vec<(Code, String)>,
    /// For open questions, a sentence with the placeholder `{value}`.
    pub template: Option<String>,
}

/// The measurement level of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Binary: two options.
    Binary,
    /// Ordinal: options with an order.
    Ordinal,
    /// Nominal: options without an order.
    Nominal,
    /// Nominal, with codes that the codebook does not list: parties, languages, countries.
    NominalOpen,
    /// Numeric: a year, an age, a count.
    Numeric,
}

/// Whether a higher code means more or less of what the question names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A higher code means more.
    Positive,
    /// A higher code means less.
    Reverse,
}

/// What the codes of an open question mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenValues {
    /// The code is the number itself.
    Number,
    /// ISO 3166-1 numeric country codes.
    Country,
    /// Codes whose meaning depends on the country.
    Local,
}

/// The nine columns of the paper's tables (paper, section 4.1 and Table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Category {
    /// Social values, attitudes and stereotypes.
    Core,
    /// Happiness and well-being.
    #[serde(rename = "Hap.")]
    Happiness,
    /// Social capital, trust and membership.
    Trust,
    /// Economic values, corruption.
    #[serde(rename = "Econ.Int")]
    Economy,
    /// Migration, security.
    Security,
    /// Science and technology.
    Tech,
    /// Religion, ethics.
    #[serde(rename = "Mo.&Rel.")]
    Morals,
    /// Political interest, culture and regimes.
    #[serde(rename = "Pol.Eng")]
    Politics,
    /// Demographics.
    #[serde(rename = "Demo")]
    Demographics,
}

impl Category {
    /// The nine categories, in the order of the paper's tables.
    pub const ALL: [Self; 9] = [
        Self::Core,
        Self::Happiness,
        Self::Trust,
        Self::Economy,
        Self::Security,
        Self::Tech,
        Self::Morals,
        Self::Politics,
        Self::Demographics,
    ];

    /// The heading of the category's column in the paper's tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "Core",
            Self::Happiness => "Hap.",
            Self::Trust => "Trust",
            Self::Economy => "Econ.Int",
            Self::Security => "Security",
            Self::Tech => "Tech",
            Self::Morals => "Mo.&Rel.",
            Self::Politics => "Pol.Eng",
            Self::Demographics => "Demo",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Builds a codebook, and checks that each question occurs exactly once.
fn assemble(
    name: String,
    mut questions: Vec<Question>,
    mut countries: Vec<CountryName>,
) -> Result<Codebook, CodebookError> {
    questions.sort_by_key(|question| question.id);
    countries.sort_by_key(|country| country.code);
    for (expected, at) in QuestionId::all().zip(0..) {
        match questions.get(at) {
            Some(question) if question.id == expected => {}
            Some(question) if question.id < expected => {
                return Err(CodebookError::Twice { codebook: name, id: question.id });
            }
            _ => return Err(CodebookError::Missing { codebook: name, id: expected }),
        }
    }
    if let Some(extra) = questions.get(QUESTIONS) {
        return Err(CodebookError::Twice { codebook: name, id: extra.id });
    }
    Ok(Codebook { name, questions, countries })
}
