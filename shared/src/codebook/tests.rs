//! Compares the built-in codebook with the official one, and checks what the loaders accept and refuse.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// The official codebook's facts about each question.
pub(super) fn facts() -> BTreeMap<QuestionId, Value> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/questions.json");
    let all: BTreeMap<String, Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    all.into_iter().filter_map(|(name, fact)| Some((name.parse().ok()?, fact))).collect()
}

/// Reads a list of codes.
pub(super) fn codes(value: &Value) -> Vec<Code> {
    let list = value.as_array().into_iter().flatten();
    list.map(|code| Code(i32::try_from(code.as_i64().unwrap()).unwrap())).collect()
}

/// The codes of a question's options, in the order shown.
pub(super) fn option_codes(question: &Question) -> Vec<Code> {
    question.options.iter().map(|option| option.code).collect()
}

#[test]
fn the_built_in_codebook_agrees_with_the_official_one() {
    let book = Codebook::built_in();
    let facts = facts();
    assert_eq!(facts.len(), QUESTIONS);
    for (id, fact) in facts {
        let question = book.question(id);
        assert_eq!(option_codes(question), codes(&fact["codes"]), "{id} codes");
        assert_eq!(serde_json::to_value(question.level).unwrap(), fact["level"], "{id} level");
        let direction = question.direction.map_or(Value::Null, |d| serde_json::to_value(d).unwrap());
        assert_eq!(&direction, fact.get("direction").unwrap_or(&Value::Null), "{id} direction");
        assert_eq!(json!(question.section), fact["wvs_category"], "{id} section");
        assert_eq!(json!(question.category), fact["paper_category"], "{id} category");
        assert_eq!(question.missing, codes(&fact["missing_codes"]), "{id} missing");
        let range = question.range.map_or(Value::Null, |range| json!(range));
        assert_eq!(&range, fact.get("observed_range").unwrap_or(&Value::Null), "{id} range");
        assert_eq!(question.scale, scale_in(&fact), "{id} scale");
    }
}

fn scale_in(fact: &Value) -> Vec<Code> {
    if !["ordinal", "binary"].contains(&fact["level"].as_str().unwrap()) {
        return Vec::new();
    }
    let off_scale = codes(&fact["off_scale_codes"]);
    let scale = codes(fact.get("scale_order").unwrap_or(&fact["codes"]));
    scale.into_iter().filter(|code| !off_scale.contains(code)).collect()
}

#[test]
fn each_sentence_belongs_to_one_answer_only() {
    let book = Codebook::built_in();
    let mut meaning = BTreeMap::new();
    for question in book.questions() {
        let codes: Vec<_> = question.natural.sentences.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, option_codes(question), "{}", question.id);
        for (code, sentence) in &question.natural.sentences {
            let before = meaning.insert(sentence.clone(), (question.id, *code));
            assert_eq!(before, None, "{sentence}");
        }
    }
    assert!(meaning.len() > 1000, "{}", meaning.len());
}

#[test]
fn open_questions_have_a_template_and_a_kind_of_values() {
    let book = Codebook::built_in();
    let open = |values| {
        let numbers = book.questions().iter().filter(|question| question.open == Some(values));
        numbers.map(|question| question.id.number()).collect::<Vec<_>>()
    };
    assert_eq!(open(OpenValues::Number), [261, 262, 270, 274]);
    assert_eq!(open(OpenValues::Country), [266, 267, 268]);
    assert_eq!(open(OpenValues::Local), [223, 272, 290]);
    for question in book.questions() {
        assert_eq!(question.open.is_some(), question.options.is_empty(), "{}", question.id);
        assert_eq!(question.open.is_some(), question.natural.template.is_some(), "{}", question.id);
    }
}

#[test]
fn scales_are_in_substantive_order_without_codes_off_the_scale() {
    fn check(number: u16, expected: &[i32]) {
        let book = Codebook::built_in();
        let scale: Vec<_> = book.question(QuestionId::new(number).unwrap()).scale.iter().map(|code| code.0).collect();
        assert_eq!(scale, expected, "Q{number}");
    }
    check(1, &[1, 2, 3, 4]);
    check(56, &[2, 3, 1]);
    check(111, &[]);
    check(119, &[1, 2, 0, 3, 4]);
    check(221, &[1, 2, 3]);
    check(261, &[]);
}

#[test]
fn the_digest_changes_with_the_wording() {
    let own = Codebook::built_in();
    let mut changed = own.clone();
    changed.questions[0].text.push('!');
    assert_eq!(own.digest(), Codebook::built_in().digest());
    assert_ne!(own.digest(), changed.digest());
}

/// A folder with codebook files.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }
}

const OWN_TEXT: &str = include_str!("../../data/codebook.toml");

#[test]
fn a_copy_of_the_built_in_codebook_loads_from_a_file() {
    let file = Folder::new();
    let loaded = Codebook::load(&file.write("mine.toml", format!("\u{feff}{OWN_TEXT}"))).unwrap();
    assert_eq!(loaded.name, "mine.toml");
    assert_eq!(loaded.questions(), Codebook::built_in().questions());
    assert_eq!(loaded.countries(), Codebook::built_in().countries());
}

#[test]
fn errors_in_a_toml_codebook_name_line_and_question() {
    fn check(from: &str, to: &str, expected: &[&str]) {
        let changed = OWN_TEXT.replacen(from, to, 1);
        assert_ne!(changed, OWN_TEXT, "{from:?} is not in the codebook");
        let folder = Folder::new();
        let error = Codebook::load(&folder.write("mine.toml", changed)).unwrap_err().to_string();
        for words in expected.iter().chain(&["mine.toml"]) {
            assert!(error.contains(words), "{words:?} is not in {error:?}");
        }
    }
    let line_of_q1 = OWN_TEXT.lines().position(|line| line == "id = \"Q1\"").unwrap() + 1;
    let q1 = format!("line {line_of_q1}: Q1: ");
    check("text = ", "txet = ", &[&format!("line {}", line_of_q1 + 1), "unknown field `txet`"]);
    check("level = \"ordinal\"", "level = \"odd\"", &["line", "unknown variant `odd`"]);
    check("id = \"Q2\"", "id = \"Q291\"", &["Q291", "expected Q1 to Q290"]);
    check("id = \"Q2\"", "id = \"Q1\"", &["Q1 has two entries"]);
    check("{ code = 1,", "{ code = 2,", &[&q1, "two options have the same code"]);
    check("{ code = 1,", "{ code = -1,", &[&q1, "an option has a code below 0"]);
    check("missing = [-1,", "missing = [1,", &[&q1, "missing has a code that is not below 0"]);
    check("scale_order = [2, 3, 1]", "scale_order = [2, 3]", &["Q56: scale_order"]);
    check("off_scale = [3]", "off_scale = [7]", &["Q111: off_scale"]);
    check("born in {value}", "born long ago", &["Q261: template: expected exactly one {value}"]);
    check("values = \"local\"\n", "", &["Q223: expected either options, or template and values"]);
    check("range = [1916, 2007]", "range = [2007, 1916]", &["Q261: range: expected the lower bound first"]);
}

#[test]
fn all_problems_of_a_file_are_reported_together() {
    let changed =
        OWN_TEXT.replace("range = [1916, 2007]", "range = [9, 8]").replace("off_scale = [3]", "off_scale = [7]");
    let folder = Folder::new();
    match Codebook::load(&folder.write("mine.toml", changed)).unwrap_err() {
        CodebookError::Problems { problems, .. } => assert_eq!(problems.len(), 2, "{problems:?}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_missing_question_is_named() {
    let last = OWN_TEXT.rfind("[[question]]").unwrap();
    let folder = Folder::new();
    let error = Codebook::load(&folder.write("mine.toml", &OWN_TEXT[..last])).unwrap_err();
    assert_eq!(error.to_string(), "codebook mine.toml: Q290 has no entry");
}

#[test]
fn files_that_are_not_a_codebook_are_refused() {
    fn check(content: &[u8], expected: &str) {
        let folder = Folder::new();
        let error = Codebook::load(&folder.write("book", content)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    check(b"", "neither TOML with [[question]] tables nor");
    check(b"\x89PNG\r\n\xff", "it is not UTF-8 text");
    check(b"version,doi,Q1\n", "neither TOML with [[question]] tables nor");
    check(b"[[question]]\nid = ", "TOML parse error at line 2");
    let nowhere = Codebook::load(std::path::Path::new("no/such/book.toml")).unwrap_err().to_string();
    assert!(nowhere.starts_with("read codebook no/such/book.toml: "), "{nowhere}");
}
