//! Compares random numbers, folds, samples, profiles, prompts and replies with golden values of the paper's own code.

use std::cmp::Reverse;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use valuesim_shared::codebook::{AnswerOption, Codebook, Natural, Question};
use valuesim_shared::decide::{Decision, ceiling_of_mean, decide};
use valuesim_shared::id::{Code, Fold, QuestionId, Respondent};
use valuesim_shared::mersenne::Mersenne;
use valuesim_shared::method::{Behaviour, Module};
use valuesim_shared::outcome::Decided;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::{Opinion, QuestionPrompt, Retrieved, combined, coordinator, question_block, story};
use valuesim_shared::reply::{read_module_reply, read_single_reply};
use valuesim_shared::sample::{PAPER_RESPONDENTS, ScaleDesign, ScaleStep, profile_scale, sample_rows};
use valuesim_shared::similarity::Similarity;
use valuesim_shared::split::{PAPER_FOLDS, PAPER_SEED, Split};

/// Data rows in versions 6.0 and 5.0 of the survey.
const ROWS_V6: u32 = 97_220;
const ROWS_V5: u32 = 94_278;

fn golden(section: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden.json");
    let text = std::fs::read_to_string(path).expect("tests/fixtures/golden.json is in the repository");
    let mut golden: Value = serde_json::from_str(&text).expect("golden.json is JSON");
    golden[section].take()
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{error} in {value}"))
}

fn sha256(text: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(text) {
        write!(hex, "{byte:02x}").expect("writing to memory does not fail");
    }
    hex
}

/// The hash of a list joined with commas, as in the golden values.
fn hash_of<T: ToString>(items: &[T]) -> String {
    sha256(&items.iter().map(T::to_string).collect::<Vec<_>>().join(","))
}

fn check_hash<T: ToString>(items: &[T], expected: &Value) {
    assert_eq!(hash_of(items), read::<String>(expected));
}

fn rows(respondents: &[Respondent]) -> Vec<u32> {
    respondents.iter().map(|respondent| respondent.row()).collect()
}

fn paper_split() -> Split {
    Split::new(PAPER_SEED, PAPER_FOLDS).expect("splits")
}

#[test]
fn random_numbers_equal_pythons() {
    let expected = &golden("mt19937")["42"];
    let mut random = Mersenne::seeded(42);
    let words: Vec<u32> = (0..5).map(|_| random.getrandbits(32)).collect();
    assert_eq!(words, read::<Vec<u32>>(&expected["getrandbits32_first5"]));
    let mut random = Mersenne::seeded(42);
    let fractions: Vec<f64> = (0..3).map(|_| random.random()).collect();
    assert_eq!(fractions, read::<Vec<f64>>(&expected["random_first3"]));
}

#[test]
fn folds_equal_the_papers() {
    let expected = golden("folds");
    let split = Split::new(read(&expected["seed"]), PAPER_FOLDS).expect("splits");
    let held_out: Vec<&[QuestionId]> = split.folds().map(|fold| split.held_out(fold)).collect();
    assert_eq!(held_out, read::<Vec<Vec<QuestionId>>>(&expected["test_sets"]));
    check_hash(&held_out.concat(), &expected["shuffled_sha256"]);
    for fold in split.folds() {
        check_hash(split.kept(fold), &expected["train_set_sha256"][fold.index()]);
    }
}

#[test]
fn the_sample_equals_the_papers() {
    let expected = golden("users");
    let people = rows(&sample_rows(PAPER_SEED, PAPER_RESPONDENTS, ROWS_V6).expect("draws"));
    assert_eq!(people, read::<Vec<u32>>(&expected["seed42_n100"]));
    check_hash(&people, &expected["sha256"]);
    let twenty = rows(&sample_rows(PAPER_SEED, 20, ROWS_V6).expect("draws"));
    assert_eq!(twenty, people[..20]);
    assert_eq!(expected["prefix_property"]["holds"], true);
    let before = rows(&sample_rows(PAPER_SEED, PAPER_RESPONDENTS, ROWS_V5).expect("draws"));
    let head: Vec<u32> = read(&expected["seed42_n100_on_v5_94278_rows_head"]);
    assert_eq!(before[..head.len()], head);
}

#[test]
fn samples_of_other_sizes_equal_pythons() {
    let expected = golden("sample_1_97220");
    for count in [1, 10, 1000] {
        let expected = &expected[format!("seed=42,n={count}")];
        let drawn = rows(&sample_rows(42, count, ROWS_V6).expect("draws"));
        let head: Vec<u32> = read(&expected["head"]);
        assert_eq!(drawn[..head.len()], head);
        assert_eq!(drawn.iter().sum::<u32>(), read::<u32>(&expected["sum"]));
        check_hash(&drawn, &expected["sha256"]);
    }
}

#[test]
fn profile_items_equal_those_of_the_scale_study() {
    let expected = golden("profile_scale");
    let split = paper_split();
    let fifth = Fold::new(5).expect("not 0");
    let sizes = [0, 58, 116, 174, 232];
    let design = ScaleDesign { seed: 42, count: 20, of: ROWS_V6, kept: split.kept(fifth), sizes: &sizes };
    let scale = profile_scale(design).expect("draws");
    assert_eq!(rows(&scale.respondents), read::<Vec<u32>>(&expected["users"]));

    // The golden values have only the smaller sizes.
    let steps = expected["steps"].as_array().expect("a list");
    assert_eq!(steps.len(), 3);
    for (step, expected) in scale.steps.iter().zip(steps) {
        assert_eq!(expected["n_items"], step.items);
        if step.items > 0 {
            check_step(step, expected, &rows(&scale.respondents));
        }
    }
    assert_eq!(scale.steps[0].drawn, vec![Vec::new(); 20]);
}

fn check_step(step: &ScaleStep, expected: &Value, people: &[u32]) {
    check_draw(&step.unused, &expected["discarded_draw_head"], &expected["discarded_draw_sha256"]);
    let of_people = expected["per_user"].as_array().expect("a list");
    assert_eq!((of_people.len(), step.drawn.len()), (people.len(), people.len()));
    for ((expected, row), drawn) in of_people.iter().zip(people).zip(&step.drawn) {
        assert_eq!(expected["row"], *row);
        check_draw(drawn, &expected["head"], &expected["sha256"]);
    }
}

fn check_draw(drawn: &[QuestionId], head: &Value, hash: &Value) {
    let head: Vec<QuestionId> = read(head);
    assert_eq!(drawn[..head.len()], head);
    check_hash(drawn, hash);
}

fn question(id: QuestionId, text: &str, options: &[(i32, &str)]) -> Question {
    let option = |&(code, label): &(i32, &str)| AnswerOption { code: Code(code), label: label.to_owned() };
    let options = options.iter().map(option).collect();
    // Prompts depend on nothing else of a question.
    Question { text: text.to_owned(), options, ..Codebook::built_in().question(id).clone() }
}

#[test]
fn prompts_equal_those_of_the_papers_code() {
    let expected = golden("prompt_hashes");
    let first = QuestionId::from_index(0);
    let qx = question(first, "Do you like tea?", &[(1, "Yes"), (2, "No")]);
    let qy = question(first, "Age?", &[]);
    let opinion = |answer: Option<i32>, analysis| Opinion { answer: answer.map(Code), analysis };
    let disagree = [opinion(Some(1), "A"), opinion(Some(2), "B"), opinion(None, "E")];
    let ages = [opinion(Some(30), "A"), opinion(Some(31), "B"), opinion(Some(30), "C")];
    let found = [("P1", 0.81236), ("P2", 0.5)]
        .map(|(text, similarity)| Retrieved { text, similarity: Similarity::of(similarity) });
    let module = |module| QuestionPrompt::module(module, "S").ask(&qx);
    let rendered = [
        ("question QX", question_block(&qx)),
        ("question QY (no options)", question_block(&qy)),
        ("story profile=L1\\nL2", story("L1\nL2")),
        ("cognitive profile=S question=QX", module(Module::Cognitive)),
        ("affective profile=S question=QX", module(Module::Affective)),
        ("behavioral profile=S question=QX", module(Module::Behavioral)),
        ("coordinator QX answers 1/2/None analyses A/B/E", coordinator(&qx, &disagree)),
        ("coordinator QY (no options) answers 30/31/30", coordinator(&qy, &ages)),
        ("origin_full QX profile=P", QuestionPrompt::full_info("P").ask(&qx)),
        ("single_answer QX story=S", QuestionPrompt::no_cab("S").ask(&qx)),
        ("blank_profile QX", QuestionPrompt::no_profile().ask(&qx)),
        ("topk QX items P1 0.81236, P2 0.5", QuestionPrompt::rag(&found).ask(&qx)),
        ("combined text story=S profile=P", combined("S", "P")),
    ];
    let cases = expected["cases"].as_object().expect("an object");
    assert_eq!(cases.len(), rendered.len());
    for (case, text) in rendered {
        let expected = &cases[case];
        assert_eq!(text.chars().count(), read::<usize>(&expected["chars"]), "{case}: {text}");
        assert_eq!(sha256(&text), read::<String>(&expected["sha256"]), "{case}: {text}");
    }
}

#[test]
fn templates_equal_those_of_the_papers_code() {
    let expected = &golden("prompt_hashes")["template_sha256_lf"];
    for (name, template) in [
        ("storymodule", include_str!("../prompts/story.txt")),
        ("prompt_cognitive", include_str!("../prompts/cognitive.txt")),
        ("prompt_affective", include_str!("../prompts/affective.txt")),
        ("prompt_behavioral", include_str!("../prompts/behavioral.txt")),
    ] {
        assert_eq!(sha256(template), read::<String>(&expected[name]), "{name}");
    }
}

/// A codebook in which the golden questions A to D are Q1 to Q4.
fn profile_codebook(expected: &Value) -> Codebook {
    let mut questions: Vec<Question> = QuestionId::all().map(|id| question(id, "not asked", &[])).collect();
    for (question, name) in questions.iter_mut().zip(["A", "B", "C", "D"]) {
        let (asked, said) = (&expected["questions"][name], &expected["natural_options"][name]);
        question.text = read(&asked["question_text"]);
        question.options = pairs(&asked["options"]).map(|(code, label)| AnswerOption { code, label }).collect();
        question.natural = Natural {
            text: read(&said["question_text"]),
            sentences: pairs(&said["options"]).collect(),
            template: said["template"].as_str().map(str::to_owned),
        };
    }
    // Question D lists option 1 before 0, whatever order the JSON reader keeps.
    questions[3].options.sort_by_key(|option| Reverse(option.code));
    Codebook::new("golden".to_owned(), questions, Vec::new()).expect("290 questions")
}

fn pairs(object: &Value) -> impl Iterator<Item = (Code, String)> + '_ {
    let entries = object.as_object().expect("an object").iter();
    entries.map(|(code, text)| (Code(code.parse().expect("a code")), read(text)))
}

#[test]
fn profile_lines_equal_those_of_the_papers_code() {
    let expected = golden("profile_lines");
    let codebook = profile_codebook(&expected);
    let writer = ProfileText::new(&codebook, Behaviour::Paper);
    for case in expected["cases"].as_array().expect("a list") {
        let answer = |name: &String| {
            let index = "ABCD".find(name.as_str()).expect("A to D");
            let code = case["row"][name].as_str()?.parse().ok()?;
            Some((QuestionId::from_index(index), Code(code)))
        };
        let answers: Vec<_> = read::<Vec<String>>(&case["order"]).iter().filter_map(answer).collect();
        let lines = |form: &str| read::<Vec<String>>(&case[form]).join("\n");
        assert_eq!(writer.natural(answers.iter().copied()), lines("natural"), "{}", case["case"]);
        assert_eq!(writer.with_questions(answers), lines("with_questions"), "{}", case["case"]);
    }
}

#[test]
fn decisions_equal_those_of_the_papers_code() {
    for case in golden("decisions").as_array().expect("a list") {
        let answers: [Option<Code>; 3] = read(&case["cab"]);
        let decision = decide(&answers);
        assert_eq!(case["coordinator_called"], decision == Decision::AskCoordinator, "{case}");
        let (answer, method) = match decision {
            // The paper's code writes the same words with underscores.
            Decision::Agreed { answer, decided } => (Some(answer), decided.name().replace(' ', "_")),
            Decision::AskCoordinator => (ceiling_of_mean(&answers), "average_ceiling".to_owned()),
            Decision::NoValidAnswer => (None, Decided::NoValidAnswers.name().replace(' ', "_")),
        };
        let average = &case["without_coordinator"];
        assert_eq!((answer, &*method), (read(&average["answer"]), average["method"].as_str().expect("text")), "{case}");
        let coordinated = case["with_coordinator"]["method"].as_str().expect("text");
        assert_eq!(coordinated, if method == "average_ceiling" { "coordinator" } else { &method }, "{case}");
    }
}

#[derive(Deserialize)]
struct ParsingCase {
    case: String,
    reply: String,
    option_codes: Vec<i32>,
    option_labels: Option<Vec<String>>,
    paper_cab: PaperReading,
    paper_first_number: Option<Code>,
    robust: RobustReading,
}

#[derive(Deserialize)]
struct PaperReading {
    answer: Option<Code>,
    analysis: String,
}

#[derive(Deserialize)]
struct RobustReading {
    answer: Option<Code>,
}

impl ParsingCase {
    fn question(&self) -> Question {
        let invented = self.option_codes.iter().map(|code| format!("Point {code}")).collect();
        let labels = self.option_labels.clone().unwrap_or(invented);
        let labels = labels.iter().map(String::as_str);
        let options: Vec<_> = self.option_codes.iter().copied().zip(labels).collect();
        question(QuestionId::from_index(0), "?", &options)
    }
}

/// The golden case in which two labels begin a line.
const CORRECTS_ITSELF: &str = "two different answers, no final";

#[test]
fn replies_are_read_as_in_the_golden_cases() {
    let cases: Vec<ParsingCase> = read(&golden("parsing")["cases"]);
    assert_eq!(cases.len(), 24);
    for case in cases {
        let (name, reply, question) = (&case.case, &case.reply, case.question());
        let paper = read_module_reply(Behaviour::Paper, reply, &question);
        assert_eq!((paper.answer, paper.analysis), (case.paper_cab.answer, case.paper_cab.analysis), "{name}");
        let first = read_single_reply(Behaviour::Paper, reply, &question);
        assert_eq!(first.answer, case.paper_first_number, "{name}");
        if name == CORRECTS_ITSELF {
            // The golden value is a wish: the first answer. Models that correct themselves mean the last one.
            for read in [read_module_reply, read_single_reply] {
                assert_eq!(read(Behaviour::Corrected, reply, &question).answer, Some(Code(2)), "{name}");
            }
            continue;
        }
        let module = read_module_reply(Behaviour::Corrected, reply, &question);
        assert_eq!(module.answer, case.robust.answer, "{name}: {module:?}");
        let single = read_single_reply(Behaviour::Corrected, reply, &question);
        assert_eq!(single.answer, case.robust.answer, "{name}: {single:?}");
    }
}
