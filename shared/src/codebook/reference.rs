//! Reads the question files of the paper's code: `questions.json` and `nature_options.json`.
//!
//! Wording and options come from the files; level, direction, section, category and scale, which the files lack, come from
//! the built-in codebook.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::error::CodebookError;
use super::{AnswerOption, Codebook, Level, Natural, Question, assemble, built_in, country};
use crate::id::Code;

/// The name of the file with the profile sentences.
pub(super) const NATURE_OPTIONS: &str = "nature_options.json";

/// The texts of the two files.
pub(super) struct Texts<'a> {
    /// The text of `questions.json`.
    pub(super) questions: &'a str,
    /// The text of `nature_options.json`.
    pub(super) sentences: &'a str,
}

/// Reads a codebook from the texts of the two files; `files` are their paths, for errors.
pub(super) fn parse(name: &str, files: (&Path, &Path), texts: &Texts<'_>) -> Result<Codebook, CodebookError> {
    let mut asked: Entries = read(files.0, texts.questions)?;
    let mut natural: Entries = read(files.1, texts.sentences)?;
    let mut problems = Vec::new();
    let mut questions = Vec::new();
    for known in built_in::codebook().questions() {
        let key = known.id.to_string();
        match (asked.remove(&key), natural.remove(&key)) {
            (Some(asked), Some(natural)) => questions.push(merge(known, asked, natural, &mut problems)),
            (None, _) => problems.push(format!("{key} has no entry")),
            (_, None) => problems.push(format!("{key} has no entry in {}", files.1.display())),
        }
    }
    if !problems.is_empty() {
        return Err(CodebookError::Problems { file: files.0.to_owned(), problems });
    }
    assemble(name.to_owned(), questions, country::names().to_vec())
}

fn read(file: &Path, text: &str) -> Result<Entries, CodebookError> {
    serde_json::from_str(text).map_err(|reason| CodebookError::Json { file: file.to_owned(), reason })
}

/// Entries by name. Names that are not question ids (the reference has an `SDG1`) are ignored.
type Entries = BTreeMap<String, Entry>;

/// The entry for one question in either file.
#[derive(Deserialize)]
struct Entry {
    question_text: String,
    #[serde(default)]
    options: Choices,
    template: Option<String>,
}

fn merge(known: &Question, asked: Entry, natural: Entry, problems: &mut Vec<String>) -> Question {
    if asked.options.0.is_empty() && !known.options.is_empty() {
        problems.push(format!("{} has no options: expected some, because it is not an open question", known.id));
    }
    let is_open = asked.options.0.is_empty();
    Question {
        text: asked.question_text,
        scale: scale(known, &asked.options),
        options: asked.options.0.into_iter().map(|(code, label)| AnswerOption { code, label }).collect(),
        natural: Natural { text: natural.question_text, sentences: natural.options.0, template: natural.template },
        open: known.open.filter(|_| is_open),
        ..known.clone()
    }
}

/// The known order if the codes are the same, otherwise the file's codes in ascending order, without missing codes.
fn scale(known: &Question, options: &Choices) -> Vec<Code> {
    let codes: BTreeSet<_> = options.0.iter().map(|(code, _)| *code).filter(|code| !code.is_missing()).collect();
    let same_codes = codes == known.options.iter().map(|option| option.code).collect();
    match known.level {
        Level::Binary | Level::Ordinal if !same_codes => codes.into_iter().collect(),
        Level::Binary | Level::Ordinal | Level::Nominal | Level::NominalOpen | Level::Numeric => known.scale.clone(),
    }
}

/// Texts by code, in the order of the file, which is the order in which prompts list the options.
#[derive(Default)]
struct Choices(Vec<(Code, String)>);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ChoicesVisitor)
    }
}

struct ChoicesVisitor;

impl<'de> Visitor<'de> for ChoicesVisitor {
    type Value = Choices;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that maps codes to texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Choices, A::Error> {
        let mut choices: Vec<(Code, String)> = Vec::new();
        let mut positions: BTreeMap<Code, usize> = BTreeMap::new();
        while let Some((key, text)) = map.next_entry::<String, String>()? {
            let code =
                key.parse().map(Code).map_err(|_| A::Error::custom(format!("{key:?} is not an integer code")))?;
            // As in Python, the last of two equal keys wins and keeps the position of the first.
            let position = *positions.entry(code).or_insert(choices.len());
            match choices.get_mut(position) {
                Some(choice) => choice.1 = text,
                None => choices.push((code, text)),
            }
        }
        Ok(Choices(choices))
    }
}

/// Whether the text is JSON rather than TOML.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::tests::{Folder, codes, facts, option_codes};
    use super::super::{CodebookError, OpenValues};
    use super::*;
    use crate::id::QuestionId;

    /// The codes in the reference's file for a question, in its order.
    fn codes_in_paper(fact: &Value) -> Vec<Code> {
        let keys = ["paper_code_order", "paper_codes", "codes"];
        keys.iter().find_map(|key| fact.get(key)).map(codes).unwrap_or_default()
    }

    /// A `questions.json` with the reference's codes, and an entry for no question of the survey.
    fn questions() -> String {
        let entries = facts().into_iter().map(|(id, fact)| {
            let labels =
                codes_in_paper(&fact).iter().map(|code| format!(r#""{code}":"label {code}""#)).collect::<Vec<_>>();
            format!(r#""{id}":{{"question_text":"ask {id}","options":{{{}}},"note":1}}"#, labels.join(","))
        });
        let sdg1 = r#""SDG1":{"question_text":"not asked","options":{"1":"x"}}"#.to_owned();
        format!("{{{}}}", entries.chain([sdg1]).collect::<Vec<_>>().join(","))
    }

    fn sentences() -> String {
        let entries = facts().into_keys().map(|id| match id.number() {
            261 => format!(r#""{id}":{{"question_text":"say {id}","options":{{}},"template":"born {{value}}"}}"#),
            _ => format!(r#""{id}":{{"question_text":"say {id}","options":{{"2":"two","1":"one"}}}}"#),
        });
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    }

    fn load(questions: &str, sentences: &str) -> Result<Codebook, CodebookError> {
        let folder = Folder::new();
        folder.write(NATURE_OPTIONS, sentences);
        Codebook::load(&folder.write("questions.json", questions))
    }

    fn question(book: &Codebook, number: u16) -> &Question {
        book.question(QuestionId::new(number).unwrap())
    }

    #[test]
    fn codes_and_their_order_come_from_the_files() {
        let book = load(&questions(), &sentences()).unwrap();
        assert_eq!(book.name, "questions.json");
        for (id, fact) in facts() {
            assert_eq!(option_codes(book.question(id)), codes_in_paper(&fact), "{id}");
            assert_eq!(book.question(id).text, format!("ask {id}"));
            assert_eq!(book.question(id).level, Codebook::built_in().question(id).level, "{id}");
        }
    }

    #[test]
    fn sentences_and_templates_come_from_the_second_file() {
        let book = load(&questions(), &sentences()).unwrap();
        let natural = &question(&book, 1).natural;
        assert_eq!(natural.text, "say Q1");
        assert_eq!(natural.sentences, [(Code(2), "two".to_owned()), (Code(1), "one".to_owned())]);
        assert_eq!(question(&book, 261).natural.template.as_deref(), Some("born {value}"));
    }

    #[test]
    fn scales_come_from_the_built_in_codebook_if_the_codes_are_the_same() {
        fn check(number: u16, expected: &[i32]) {
            let book = load(&questions(), &sentences()).unwrap();
            let scale: Vec<_> = question(&book, number).scale.iter().map(|code| code.0).collect();
            assert_eq!(scale, expected, "Q{number}");
        }
        check(56, &[2, 3, 1]);
        check(94, &[0, 1, 2]);
        check(119, &[1, 2, 0, 3, 4]);
        check(217, &[1, 2, 3]);
        check(221, &[1, 2, 3]);
        check(289, &[]);
    }

    #[test]
    fn placeholder_options_make_an_open_question_closed() {
        let book = load(&questions(), &sentences()).unwrap();
        assert_eq!(question(&book, 223).open, None);
        assert_eq!(question(&book, 266).open, Some(OpenValues::Country));
    }

    #[test]
    fn the_last_of_two_equal_codes_wins_at_the_position_of_the_first() {
        let twice = questions().replacen(r#""1":"label 1""#, r#""1":"early","1":"late""#, 1);
        let book = load(&twice, &sentences()).unwrap();
        assert_eq!(question(&book, 1).label(Code(1)), Some("late"));
        assert_eq!(option_codes(question(&book, 1)), [1, 2, 3, 4].map(Code));
    }

    #[test]
    fn errors_name_the_problem() {
        fn check(questions: &str, sentences: &str, expected: &str) {
            let error = load(questions, sentences).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        }
        let (questions, sentences) = (questions(), sentences());
        check(&questions.replace(r#""Q7""#, r#""P7""#), &sentences, "Q7 has no entry");
        check(&questions, &sentences.replace(r#""Q8""#, r#""P8""#), "Q8 has no entry in ");
        check(
            &questions.replacen(r#""1":"label 1""#, r#""one":"label 1""#, 1),
            &sentences,
            "\"one\" is not an integer code",
        );
        check(
            &questions.replacen(r#""ask Q1","options""#, r#""ask Q1","choices""#, 1),
            &sentences,
            "Q1 has no options",
        );
        check(&questions[..questions.len() / 2], &sentences, "EOF while parsing");
        check("{\"Q1\": 5}", &sentences, "invalid type: integer `5`");
        check(&questions, "[]", "nature_options.json: invalid type");
    }

    #[test]
    fn the_sentences_must_be_beside_the_questions_or_named() {
        let folder = Folder::new();
        let file = folder.write("questions.json", questions());
        assert!(matches!(Codebook::load(&file), Err(CodebookError::NeedsNatureOptions { .. })));
        let elsewhere = folder.write("sentences.json", sentences());
        assert!(Codebook::load_reference(&file, Some(&elsewhere)).is_ok());
    }
}
