//! The simulated person: what it reads from prompts, and that more information leads to better answers.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod shapes;

use std::sync::{Arc, LazyLock};

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::method::{Behaviour, Module};
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::{self, Opinion, QuestionPrompt};
use valuesim_shared::reply::{Reading, read_module_reply, read_single_reply};
use valuesim_simulator::person::{Conversation, Kind, Message, Person};
use valuesim_simulator::traits::TraitModel;

static CODEBOOK: LazyLock<Arc<Codebook>> = LazyLock::new(|| Arc::new(Codebook::built_in()));
static PERSON: LazyLock<Person> = LazyLock::new(|| Person::new(Arc::clone(&CODEBOOK), 42));

type Answers = Vec<(QuestionId, Code)>;

/// A pseudorandom number from 0 to 1 for each seed and question.
fn uniform(seed: u64, question: QuestionId) -> f64 {
    let bits = (seed * 1000 + u64::from(question.number())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 31)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((bits ^ (bits >> 32)) % 1_000_000) as f64 / 1e6
}

/// Consistent answers of one person: each is drawn with the odds given the answers before it.
fn answers_of_person(seed: u64) -> Answers {
    let model = TraitModel::new(&CODEBOOK);
    let mut answers = Answers::new();
    // An order that mixes the sections.
    for at in 0..290 {
        let question = CODEBOOK.question(QuestionId::from_index(at * 7 % 290));
        let mut left = uniform(seed, question.id);
        let odds = model.probabilities(question.id, &model.estimate(&answers));
        let drawn = odds.iter().position(|odds| {
            left -= odds;
            left < 0.0
        });
        answers.extend(drawn.map(|at| (question.id, question.options[at].code)));
    }
    answers.sort_unstable();
    answers
}

/// One fifth of the answers, and the rest.
fn held_out(answers: &Answers) -> (Answers, Answers) {
    answers.iter().partition(|(question, _)| question.number() % 5 == 2)
}

fn reply(text: &str) -> String {
    let messages = vec![Message { role: "user".into(), content: text.into() }];
    let conversation = Conversation { model: "any".into(), messages };
    PERSON.reply(Kind::of(&conversation.messages), &conversation.messages, conversation.digest())
}

fn answer_of(reply: &str) -> Code {
    let number = reply.trim_start_matches("Answer: ").split(|c: char| !c.is_ascii_digit()).next();
    Code(number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number in {reply:?}")))
}

fn modules(profile: &str, question: &Question) -> [String; 3] {
    Module::ALL.map(|module| reply(&QuestionPrompt::module(module, profile).ask(question)))
}

fn coordinator(question: &Question, replies: &[String; 3]) -> String {
    let opinions = replies
        .each_ref()
        .map(|reply| Opinion { answer: Some(answer_of(reply)), analysis: reply.split_once("Analysis: ").unwrap().1 });
    reply(&prompt::coordinator(question, &opinions))
}

fn natural(answers: &Answers) -> String {
    ProfileText::new(&CODEBOOK, Behaviour::Corrected).natural(answers.iter().copied())
}

/// Shares of correct answers and of disagreements over many questions.
#[derive(Debug, Default)]
struct Shares {
    asked: f64,
    modules: [f64; 3],
    coordinator: f64,
    agreed: f64,
    disagreed: f64,
}

impl Shares {
    /// Asks the modules about held-out answers of several people, and the coordinator where the modules disagree.
    fn measure(people: std::ops::Range<u64>, profile_of: impl Fn(&Answers) -> String) -> Self {
        let mut shares = Self::default();
        for seed in people {
            let (asked, known) = held_out(&answers_of_person(seed));
            let profile = profile_of(&known);
            for (id, truth) in asked {
                shares.ask(CODEBOOK.question(id), truth, &profile);
            }
        }
        for share in
            shares.modules.iter_mut().chain([&mut shares.coordinator, &mut shares.agreed, &mut shares.disagreed])
        {
            *share /= shares.asked;
        }
        shares
    }

    fn ask(&mut self, question: &Question, truth: Code, profile: &str) {
        let replies = modules(profile, question);
        let codes = replies.each_ref().map(|reply| answer_of(reply));
        let right = |code| f64::from(u8::from(code == truth));
        self.asked += 1.0;
        for (share, code) in self.modules.iter_mut().zip(codes) {
            *share += right(code);
        }
        if codes.iter().any(|code| *code != codes[0]) {
            self.disagreed += 1.0;
            self.coordinator += right(answer_of(&coordinator(question, &replies)));
        } else {
            self.coordinator += right(codes[0]);
        }
    }

    fn module_accuracy(&self) -> f64 {
        self.modules.iter().sum::<f64>() / 3.0
    }
}

#[test]
fn more_information_leads_to_better_answers() {
    const PEOPLE: std::ops::Range<u64> = 0..40;
    let nothing = Shares::measure(PEOPLE, |_| String::new());
    let little = Shares::measure(PEOPLE, |known| natural(&known[..20].to_vec()));
    let all = Shares::measure(PEOPLE, natural);
    let right = [&nothing, &little, &all].map(Shares::module_accuracy);
    assert!(right[0] + 0.01 < right[1] && right[1] + 0.03 < right[2], "{right:?}");
    assert!(all.coordinator > all.module_accuracy() + 0.002, "{all:?}");
    assert!((0.3..0.42).contains(&all.disagreed), "{all:?}");
}

#[test]
fn a_backstory_contains_every_sentence_of_the_profile() {
    let (asked, known) = held_out(&answers_of_person(3));
    let profile = natural(&known);
    let story = reply(&prompt::story(&profile));
    for sentence in profile.lines() {
        assert!(story.contains(sentence), "{sentence:?} is missing");
    }
    assert!(story.len() < profile.len() * 6 / 5 && story.contains("\n\n"), "{} {}", story.len(), profile.len());
    // The information is the same; only each prompt's noise differs.
    let agreeing = asked.iter().filter(|(id, _)| {
        let question = CODEBOOK.question(*id);
        answer_of(&modules(&profile, question)[0]) == answer_of(&modules(&story, question)[0])
    });
    assert!(agreeing.count() * 10 > asked.len() * 6);
}

#[test]
fn replies_have_the_requested_formats() {
    let (asked, known) = held_out(&answers_of_person(5));
    let profile = natural(&known);
    let form = ProfileText::new(&CODEBOOK, Behaviour::Corrected).with_questions(known.iter().copied());
    for question in asked.iter().map(|(id, _)| CODEBOOK.question(*id)) {
        let replies = modules(&profile, question);
        for reply in replies.iter().chain([&coordinator(question, &replies)]) {
            assert!(reply.contains("\nAnalysis: (simulated)") && (200..1000).contains(&reply.len()), "{reply}");
            for behaviour in [Behaviour::Paper, Behaviour::Corrected] {
                check_reading(&read_module_reply(behaviour, reply, question), reply, question);
            }
        }
        for prompt in [QuestionPrompt::full_info(&form), QuestionPrompt::no_cab(&profile), QuestionPrompt::no_profile()]
        {
            let reply = reply(&prompt.ask(question));
            for behaviour in [Behaviour::Paper, Behaviour::Corrected] {
                check_reading(&read_single_reply(behaviour, &reply, question), &reply, question);
            }
        }
    }
}

#[track_caller]
fn check_reading(reading: &Reading, reply: &str, question: &Question) {
    let answer = reading.answer.unwrap_or_else(|| panic!("no answer in {reply:?}"));
    assert_eq!(answer, answer_of(reply.trim_start_matches("Q: ")));
    assert!(question.has_option(answer), "{reply}");
}

#[test]
fn open_questions_get_a_plausible_number() {
    let age = CODEBOOK.question(QuestionId::new(262).unwrap());
    for reply in modules("You like tea.", age) {
        assert!((20..90).contains(&answer_of(&reply).0), "{reply}");
    }
}

#[test]
fn questions_outside_the_codebook_get_one_of_their_options() {
    for seed in 0..20 {
        let reply = reply(&format!("Question: Which colour {seed}?\nOptions:\n4: Red\n7: Green\nThank you."));
        assert!(reply.starts_with('4') || reply.starts_with('7'), "{reply}");
    }
    assert!(reply("Hello!").contains("simulated"));
}

#[test]
fn the_coordinator_decides_when_modules_fail() {
    let question = CODEBOOK.question(QuestionId::new(1).unwrap());
    let opinion = |answer: Option<i32>| Opinion { answer: answer.map(Code), analysis: "Error: nothing came" };
    let decide = |answers: [Option<i32>; 3]| answer_of(&reply(&prompt::coordinator(question, &answers.map(opinion))));
    assert_eq!(decide([None, Some(3), None]), Code(3));
    assert_eq!(decide([Some(2), Some(3), Some(3)]), Code(3));
    assert!(question.has_option(decide([None, None, None])));
}

#[test]
fn replies_depend_on_seed_and_model_and_are_reproducible() {
    let other_seed = Person::new(Arc::clone(&CODEBOOK), 43);
    let messages = vec![Message { role: "user".into(), content: prompt::story("You like tea.\nYou sing.").into() }];
    let digest = |model: &'static str| Conversation { model: model.into(), messages: messages.clone() }.digest();
    let ask = |person: &Person, text: &str, model| {
        let messages = [Message { role: "user".into(), content: text.to_owned().into() }];
        person.reply(Kind::of(&messages), &messages, digest(model))
    };
    let texts: Vec<String> = CODEBOOK.questions()[..60]
        .iter()
        .map(|question| QuestionPrompt::module(Module::Cognitive, "You like tea.").ask(question))
        .collect();
    let all = |person: &Person, model| texts.iter().map(|text| ask(person, text, model)).collect::<Vec<_>>();
    assert_eq!(all(&PERSON, "a"), all(&PERSON, "a"));
    assert_ne!(all(&PERSON, "a"), all(&PERSON, "b"));
    assert_ne!(all(&PERSON, "a"), all(&other_seed, "a"));
}
