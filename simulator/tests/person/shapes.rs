//! The shapes that a simulated run shows: more profile, better answers; methods and groups of people differ.

use std::ops::Range;

use valuesim_shared::id::{Fold, Respondent};
use valuesim_shared::split::{PAPER_FOLDS, PAPER_SEED, Split};
use valuesim_shared::survey::Survey;
use valuesim_simulator::synth::Synth;

use super::*;

static SURVEY: LazyLock<Survey> = LazyLock::new(|| Synth { respondents: 400, seed: 7 }.survey());

/// Where the same people are compared, every third is enough.
const EVERY_THIRD: usize = 3;

/// All profile items of a fold.
const ALL_ITEMS: usize = 232;

/// The answers of a person to the questions that fold 5 holds out, and to those that it keeps.
fn held_out_and_kept(person: Respondent) -> (Answers, Answers) {
    let (split, fold) = (Split::new(PAPER_SEED, PAPER_FOLDS).unwrap(), Fold::new(5).unwrap());
    let answers = |questions: &[QuestionId]| {
        let answers = questions.iter().map(|&id| (id, SURVEY.code(person, id)));
        answers.filter(|&(id, code)| CODEBOOK.question(id).has_option(code)).collect()
    };
    (answers(split.held_out(fold)), answers(split.kept(fold)))
}

/// How a person is asked about: the text that the prompt holds, and what becomes of a question.
struct Asking {
    text: fn(&Answers) -> String,
    answer: fn(&Question, &str) -> Code,
}

const VALUESIM: Asking = Asking { text: natural, answer: considered };
const NO_STORY: Asking = Asking { text: listed, answer: considered };
const NO_CAB: Asking =
    Asking { text: natural, answer: |question, text| at_once(&QuestionPrompt::no_cab(text), question) };
const FULL_INFO: Asking =
    Asking { text: listed, answer: |question, text| at_once(&QuestionPrompt::full_info(text), question) };
const NO_PROFILE: Asking =
    Asking { text: |_| String::new(), answer: |question, _| at_once(&QuestionPrompt::no_profile(), question) };

impl Asking {
    /// The share of correct answers of every `nth` person, of whom the prompts hold this many items at most.
    fn accuracies(&self, nth: usize, items: usize) -> Vec<f64> {
        let people = (0..SURVEY.respondents()).step_by(nth).map(Respondent::from_index);
        let accuracy = |person| {
            let (asked, mut known) = held_out_and_kept(person);
            known.truncate(items);
            let text = (self.text)(&known);
            let right = asked.iter().filter(|&&(id, truth)| (self.answer)(CODEBOOK.question(id), &text) == truth);
            right.count() as f64 / asked.len() as f64
        };
        people.map(accuracy).collect()
    }
}

fn listed(answers: &Answers) -> String {
    ProfileText::new(&CODEBOOK, Behaviour::Corrected).with_questions(answers.iter().copied())
}

/// What the modules and the coordinator make of a text about a person.
fn considered(question: &Question, text: &str) -> Code {
    let replies = modules(text, question);
    let codes = replies.each_ref().map(|reply| answer_of(reply));
    if codes.iter().all(|code| *code == codes[0]) { codes[0] } else { answer_of(&coordinator(question, &replies)) }
}

/// The answer to a single call.
fn at_once(prompt: &QuestionPrompt, question: &Question) -> Code {
    answer_of(reply(&prompt.ask(question)).trim_start_matches("Q: "))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance_of_mean(values: &[f64]) -> f64 {
    let squares: f64 = values.iter().map(|each| (each - mean(values)).powi(2)).sum();
    squares / (values.len() as f64 - 1.0) / values.len() as f64
}

/// The mean difference between pairs, in standard errors.
fn paired_t(one: &[f64], other: &[f64]) -> f64 {
    let differences: Vec<f64> = one.iter().zip(other).map(|(one, other)| one - other).collect();
    mean(&differences) / variance_of_mean(&differences).sqrt()
}

#[test]
fn more_profile_gives_better_answers_step_by_step() {
    let scale = [0, 58, 116, 174, ALL_ITEMS].map(|items| VALUESIM.accuracies(EVERY_THIRD, items));
    let means = scale.each_ref().map(|step| mean(step));
    assert!(means.is_sorted_by(|less, more| less < more), "{means:?}");
    // The first items tell the most, and the later ones still more than chance.
    let (first, rest) = (paired_t(&scale[1], &scale[0]), paired_t(&scale[4], &scale[1]));
    assert!(first > 5.0 && rest > 3.0 && means[1] - means[0] > means[4] - means[1], "{first} {rest} {means:?}");
}

#[test]
fn methods_differ_in_the_order_of_what_they_do_with_a_profile() {
    let [valuesim, no_story, no_cab, full_info, no_profile] =
        [VALUESIM, NO_STORY, NO_CAB, FULL_INFO, NO_PROFILE].map(|asking| asking.accuracies(EVERY_THIRD, ALL_ITEMS));
    let pairs = [(&valuesim, &no_story), (&valuesim, &no_cab), (&no_cab, &full_info), (&full_info, &no_profile)];
    for (better, worse) in pairs {
        assert!(paired_t(better, worse) > 3.0, "{} {} {}", mean(better), mean(worse), paired_t(better, worse));
    }
}

#[test]
fn groups_of_people_differ() {
    let accuracies = VALUESIM.accuracies(1, ALL_ITEMS);
    let education = |at| SURVEY.code(Respondent::from_index(at), QuestionId::new(275).unwrap()).0;
    let group = |levels: Range<i32>| -> Vec<f64> {
        let members = accuracies.iter().enumerate().filter(|(at, _)| levels.contains(&education(*at)));
        members.map(|(_, &accuracy)| accuracy).collect()
    };
    // At most lower secondary school, and at least a bachelor's degree.
    let (little, much) = (group(0..3), group(6..9));
    let t = (mean(&much) - mean(&little)) / (variance_of_mean(&much) + variance_of_mean(&little)).sqrt();
    assert!(t > 3.0, "{} of {}, {} of {}, t {t}", mean(&much), much.len(), mean(&little), little.len());
}
