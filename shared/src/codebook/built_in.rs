//! Reads codebooks in this project's TOML format, which `data/codebook.toml` documents.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use toml::Spanned;

use super::error::CodebookError;
use super::{AnswerOption, Category, Codebook, Direction, Level, Natural, OpenValues, Question, assemble, country};
use crate::id::{Code, QuestionId};

/// The name of the built-in codebook.
const OWN_NAME: &str = "valuesim";

/// Parsed once, because it has 300 kB, and every command and many tests need it.
static OWN: LazyLock<Codebook> = LazyLock::new(|| {
    parse(OWN_NAME, Path::new("codebook.toml"), include_str!("../../data/codebook.toml"))
        .expect("a test checks the embedded codebook")
});

/// The built-in codebook.
pub(super) fn codebook() -> &'static Codebook {
    &OWN
}

/// Parses the text of a TOML codebook.
pub(super) fn parse(name: &str, file: &Path, text: &str) -> Result<Codebook, CodebookError> {
    let book: Book =
        toml::from_str(text).map_err(|error| CodebookError::Toml { file: file.to_owned(), reason: Box::new(error) })?;
    let lines = line_starts(text);
    let problems: Vec<_> = book.question.iter().flat_map(|entry| entry.problems(&lines)).collect();
    if !problems.is_empty() {
        return Err(CodebookError::Problems { file: file.to_owned(), problems });
    }
    let questions = book.question.into_iter().map(Entry::into_question).collect();
    assemble(name.to_owned(), questions, country::names().to_vec())
}

/// The byte positions at which lines begin.
fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    question: Vec<Entry>,
}

/// One `[[question]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<QuestionId>,
    text: String,
    level: Level,
    direction: Option<Direction>,
    section: String,
    category: Category,
    missing: Vec<Code>,
    #[serde(default)]
    options: Vec<Answer>,
    scale_order: Option<Vec<Code>>,
    #[serde(default)]
    off_scale: Vec<Code>,
    #[serde(default)]
    volunteered: Vec<Code>,
    range: Option<(i32, i32)>,
    template: Option<String>,
    values: Option<OpenValues>,
}

/// One answer option of a question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    code: Code,
    label: String,
    sentence: String,
}

impl Entry {
    /// The problems of the entry, each with line and question. `lines` are the positions at which lines begin.
    fn problems(&self, lines: &[usize]) -> Vec<String> {
        let line = lines.partition_point(|&start| start <= self.id.span().start);
        let mut found = Vec::new();
        let mut expect = |holds: bool, problem: &str| {
            if !holds {
                found.push(format!("line {line}: {}: {problem}", self.id.get_ref()));
            }
        };
        let codes = self.codes();
        let is_open = self.options.is_empty();
        expect(!self.text.is_empty(), "the text is empty");
        expect(codes.len() == self.options.len(), "two options have the same code");
        expect(
            self.codes().iter().all(|code| !code.is_missing()),
            "an option has a code below 0: expected 0 or more, because codes below 0 mean a missing answer",
        );
        expect(self.options.iter().all(Answer::has_words), "an option has an empty label or sentence");
        expect(self.missing.iter().all(|code| code.is_missing()), "missing has a code that is not below 0");
        expect(
            self.extra_codes().all(|code| codes.contains(code)),
            "off_scale or volunteered has a code that is not an option",
        );
        expect(self.orders_all_codes(), "scale_order: expected each option's code once, without those in off_scale");
        expect(is_open == self.template.is_some() && is_open == self.values.is_some(), OPEN_OR_CLOSED);
        expect(
            self.template.as_ref().is_none_or(|t| t.matches("{value}").count() == 1),
            "template: expected exactly one {value}",
        );
        expect(self.range.is_none_or(|(least, most)| least <= most), "range: expected the lower bound first");
        found
    }

    fn codes(&self) -> BTreeSet<Code> {
        self.options.iter().map(|option| option.code).collect()
    }

    fn extra_codes(&self) -> impl Iterator<Item = &Code> {
        self.off_scale.iter().chain(&self.volunteered)
    }

    fn orders_all_codes(&self) -> bool {
        let Some(order) = &self.scale_order else { return true };
        let mut ascending = order.clone();
        ascending.sort_unstable();
        ascending == self.ascending_scale()
    }

    fn ascending_scale(&self) -> Vec<Code> {
        let off_scale: BTreeSet<_> = self.off_scale.iter().copied().collect();
        self.codes().difference(&off_scale).copied().collect()
    }

    fn scale(&self) -> Vec<Code> {
        match self.level {
            Level::Binary | Level::Ordinal => self.scale_order.clone().unwrap_or_else(|| self.ascending_scale()),
            Level::Nominal | Level::NominalOpen | Level::Numeric => Vec::new(),
        }
    }

    fn into_question(self) -> Question {
        let scale = self.scale();
        let sentences = self.options.iter().map(|option| (option.code, option.sentence.clone())).collect();
        Question {
            id: self.id.into_inner(),
            natural: Natural { text: self.text.clone(), sentences, template: self.template },
            text: self.text,
            options: self.options.into_iter().map(|o| AnswerOption { code: o.code, label: o.label }).collect(),
            level: self.level,
            direction: self.direction,
            section: self.section,
            category: self.category,
            scale,
            missing: self.missing,
            open: self.values,
            range: self.range,
        }
    }
}

const OPEN_OR_CLOSED: &str = "expected either options, or template and values";

impl Answer {
    fn has_words(&self) -> bool {
        !self.label.is_empty() && !self.sentence.is_empty()
    }
}
