//! Fuzzes the codebook loaders: any file is either refused or a complete codebook.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use valuesim_shared::codebook::{Codebook, CodebookError, CountryName, Question};
use valuesim_shared::id::{Code, QUESTIONS, QuestionId};
use valuesim_shared::method::Behaviour;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::question_block;

use crate::bounds::{HOSTILE_BYTES, Memory, bounded, fuzz};
use crate::mutate::{endless, hostile, listed};

/// A codebook from the paper's files also contains parts of the built-in one.
const MEMORY: Memory = Memory { fixed: 4 << 20, per_byte: 100 };

const OWN: &str = include_str!("../../data/codebook.toml");
const QUESTIONS_JSON: &str = include_str!("../../../tests/fixtures/reference/questions.json");
const SENTENCES_JSON: &str = include_str!("../../../tests/fixtures/reference/nature_options.json");

/// Loads a codebook and calls everything on it.
fn check(bytes: usize, load: impl FnOnce() -> Result<Codebook, CodebookError>) {
    let Ok(codebook) = bounded(bytes, MEMORY, load) else { return };
    assert_eq!(codebook.questions().len(), QUESTIONS);
    for behaviour in [Behaviour::Paper, Behaviour::Corrected] {
        let profile = ProfileText::new(&codebook, behaviour);
        for question in codebook.questions() {
            let codes = question.options.iter().map(|option| option.code).chain([-5, 0, 36, i32::MAX].map(Code));
            for code in codes {
                let _ = (profile.natural_item(question.id, code), profile.item_with_question(question.id, code));
                let _ = (question.accepts(code), question.position(code), question.label(code));
            }
            let _ = question_block(question);
        }
    }
    let _ = codebook.digest();
}

fn check_file(file: &Path, content: &[u8]) {
    fs::write(file, content).expect("the temporary folder can be written");
    check(content.len(), || Codebook::load(file));
}

/// Built-in entries of a few questions of every kind.
fn few_entries() -> Vec<u8> {
    let questions_file = [1, 56, 119, 223, 261, 266].map(|number| format!("id = \"Q{number}\"\n"));
    let wanted = |entry: &&str| questions_file.iter().any(|id| entry.contains(id.as_str()));
    OWN.split("[[question]]").filter(wanted).fold(String::new(), |all, entry| all + "[[question]]" + entry).into_bytes()
}

#[test]
fn fuzz_any_entries_of_a_codebook_are_read_or_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("codebook.toml");
    fuzz(40, &hostile(vec![few_entries()]), |content| check_file(&file, &content));
}

#[test]
fn fuzz_any_codebook_is_complete_or_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("codebook.toml");
    fuzz(500, &hostile(vec![OWN.as_bytes().to_vec()]), |content| check_file(&file, &content));
}

#[test]
fn fuzz_any_files_in_the_papers_format_are_complete_or_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (questions_file, sentences_file) =
        (folder.path().join("questions.json"), folder.path().join("nature_options.json"));
    let files = [QUESTIONS_JSON, SENTENCES_JSON].map(|text| hostile(vec![text.as_bytes().to_vec()]));
    fuzz(100, &files, |[questions, sentences]| {
        fs::write(&questions_file, &questions).expect("the temporary folder can be written");
        fs::write(&sentences_file, &sentences).expect("the temporary folder can be written");
        check(questions.len() + sentences.len(), || Codebook::load_reference(&questions_file, Some(&sentences_file)));
    });
}

/// An entry with `count` options, all off the scale.
fn entry_of_many(count: usize) -> String {
    let option = |code: usize| format!("{{ code = {code}, label = \"l\", sentence = \"s\" }}, ");
    let codes = listed(0..count, |code| format!("{code}, "));
    let options = listed(0..count, option);
    let head = "id = \"Q1\"\ntext = \"t\"\nlevel = \"ordinal\"\nsection = \"s\"\ncategory = \"Core\"\nmissing = []";
    format!("[[question]]\n{head}\noptions = [{options}]\noff_scale = [{codes}]\nvolunteered = [{codes}]\n")
}

#[test]
fn fuzz_a_codebook_of_many_entries_is_refused_without_delay() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("codebook.toml");
    let entry = "[[question]]\nid = \"Q1\"\ntext = \"\"\nlevel = \"ordinal\"\nsection = \"\"\ncategory = \"Core\"\nmissing = [1]\n";
    let units =
        [entry, "[[question]]\n", "[question.a]\n", "a.", "[", "question = [", "'''", "# [[question]]\n", "a = 1\n"];
    for unit in units {
        check_file(&file, endless(unit, HOSTILE_BYTES).as_bytes());
        check_file(&file, format!("[[question]]\n{}", endless(unit, HOSTILE_BYTES)).as_bytes());
    }
}

#[test]
fn fuzz_an_entry_of_many_options_is_read_without_delay() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("codebook.toml");
    check_file(&file, entry_of_many(HOSTILE_BYTES / 64).as_bytes());
    let options = listed(0..HOSTILE_BYTES / 12, |code| format!("\"{code}\":\"\","));
    let questions = QUESTIONS_JSON.replacen("\"options\": {", &format!("\"options\": {{{options}"), 1);
    let sentences_file = folder.path().join("nature_options.json");
    fs::write(&sentences_file, SENTENCES_JSON).expect("the temporary folder can be written");
    let questions_file = folder.path().join("questions.json");
    fs::write(&questions_file, &questions).expect("the temporary folder can be written");
    let loaded = bounded(questions.len() + SENTENCES_JSON.len(), MEMORY, || {
        Codebook::load_reference(&questions_file, Some(&sentences_file))
    });
    assert!(loaded.is_ok_and(|codebook| codebook.questions()[0].options.len() >= HOSTILE_BYTES / 12));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_codebook_in_a_message_is_complete_or_refused(count in 0..QUESTIONS, twice in 0..QUESTIONS) {
        let own = Codebook::built_in();
        let mut questions: Vec<Question> = own.questions()[..count].to_vec();
        let read = |questions: &[Question]| {
            let countries: &[CountryName] = own.countries();
            let message = serde_json::json!({"name": own.name, "questions": questions, "countries": countries});
            serde_json::from_value::<Codebook>(message)
        };
        prop_assert!(read(&questions).is_err());
        questions.resize(QUESTIONS, own.question(QuestionId::from_index(twice)).clone());
        prop_assert!(read(&questions).is_err());
        prop_assert_eq!(read(own.questions()).expect("whole"), own);
    }
}
