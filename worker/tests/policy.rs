//! What is done about replies without an answer: asked again where that helps, recorded with their reason where not.

use std::sync::Arc;

use serde_json::{Value, json};
use valuesim_shared::answer_format::AnswerFormat;
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::outcome::{CellOutcome, Ended};

use support::bench::{Bench, Setup, fold};
use support::person::{BACKSTORY, Person};
use support::server::{Request, Script, Server, Step, completion, ok, response};

#[allow(dead_code, reason = "each test program uses a part")]
mod support;

const LIMIT: u32 = 300;

/// Nothing in it reads as an answer.
const INVALID: &str = "Hmm.";

/// A reply of the provider, as a test names it.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// A good answer.
    Answer,
    /// A good answer whose analysis is cut off.
    AnswerCutOff,
    /// No answer.
    Text(&'static str),
    /// The beginning of a reply.
    CutOff(&'static str),
    /// Nothing: the content filter.
    Filtered,
    /// 400 with this code.
    Error(&'static str),
}

impl Says {
    fn to(self, request: &Request, person: &Person) -> Vec<Step> {
        match self {
            Self::Answer => ok(&person.reply(request)),
            Self::AnswerCutOff => {
                let mut reply = person.reply(request);
                reply["choices"][0]["finish_reason"] = json!("length");
                ok(&reply)
            }
            Self::Text(text) => ok(&completion(text, "stop")),
            Self::CutOff(text) => ok(&completion(text, "length")),
            Self::Filtered => ok(&completion("", "content_filter")),
            Self::Error(code) => {
                let body = json!({"error": {"message": "No.", "code": code}}).to_string();
                response("400 Bad Request", "", body.as_bytes())
            }
        }
    }
}

/// Whether a request asks for the second time.
fn is_second(request: &Request) -> bool {
    let messages = request.body["messages"].as_array().expect("is a list").len();
    messages > 1 || request.body["max_tokens"].as_u64().is_some_and(|most| most > LIMIT.into())
}

/// Says `first`, and `second` when asked again.
fn says(first: Says, second: Says) -> Script {
    let person = Person::new(fold());
    Arc::new(move |request, _| if is_second(request) { second } else { first }.to(request, &person))
}

/// How often each question was asked and how that ended.
type End = (Ended, u8);

/// Asks the questions of a cell in one call each and returns the one way in which they all end.
async fn end(script: Script, behaviour: Behaviour, limit: Option<u32>) -> (End, Vec<Value>) {
    let server = Server::start(script);
    let mut setup = Setup { behaviour, method: Method::FullInfo, ..Setup::new(server.address) };
    setup.model.max_output_tokens = limit;
    let CellOutcome { result, spend, .. } = Bench::new(setup).await.finish().await.expect("finishes");
    let arm = &result.arms[0];
    let ends: Vec<End> = arm.ended.0.iter().copied().zip(arm.asked.iter().copied()).collect();
    assert!(ends.iter().all(|end| *end == ends[0]) && ends.len() == 58, "{ends:?}");
    assert!(arm.answers.iter().all(|answer| answer.is_some() == ends[0].0.has_answer()));
    let requests = server.requests();
    let spend = spend.total();
    assert_eq!((spend.sent, spend.answered + spend.failed), (requests.len() as u64, spend.sent));
    assert_eq!(requests.len(), 58 * usize::from(ends[0].1), "refusals and the like are not tried again");
    (ends[0], requests.into_iter().map(|request| request.body).collect())
}

async fn check(first: Says, second: Says, corrected: End, paper: End) {
    for (behaviour, expected) in [(Behaviour::Corrected, corrected), (Behaviour::Paper, paper)] {
        let (end, _) = end(says(first, second), behaviour, Some(LIMIT)).await;
        assert_eq!(end, expected, "{first:?}, then {second:?}, {behaviour}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_reminded_of_the_format_once() {
    let (invalid, answer) = (Says::Text(INVALID), Says::Answer);
    check(answer, invalid, (Ended::Answered, 1), (Ended::Answered, 1)).await;
    check(invalid, answer, (Ended::Reminded, 2), (Ended::Invalid, 1)).await;
    check(invalid, invalid, (Ended::Invalid, 2), (Ended::Invalid, 1)).await;
    check(Says::Text(""), answer, (Ended::Reminded, 2), (Ended::Invalid, 1)).await;
    check(invalid, Says::CutOff(INVALID), (Ended::CutOff, 2), (Ended::Invalid, 1)).await;
    check(invalid, Says::Filtered, (Ended::Refused, 2), (Ended::Invalid, 1)).await;
}

#[tokio::test]
async fn what_is_cut_off_gets_more_room_once() {
    let (cut_off, answer) = (Says::CutOff("Let me think."), Says::Answer);
    check(Says::AnswerCutOff, cut_off, (Ended::Answered, 1), (Ended::Answered, 1)).await;
    check(cut_off, answer, (Ended::Answered, 2), (Ended::CutOff, 1)).await;
    check(cut_off, cut_off, (Ended::CutOff, 2), (Ended::CutOff, 1)).await;
    check(Says::CutOff(""), answer, (Ended::Answered, 2), (Ended::CutOff, 1)).await;
    check(cut_off, Says::Text(INVALID), (Ended::Invalid, 2), (Ended::CutOff, 1)).await;
}

#[tokio::test]
async fn a_provider_without_more_room_leaves_the_reply_cut_off() {
    let cut_off = Says::CutOff("Let me think.");
    check(cut_off, Says::Error("invalid_value"), (Ended::CutOff, 2), (Ended::CutOff, 1)).await;
    check(cut_off, Says::Error("context_length_exceeded"), (Ended::CutOff, 2), (Ended::CutOff, 1)).await;
}

#[tokio::test]
async fn refusals_and_prompts_that_are_too_long_are_recorded_and_not_tried_again() {
    let answer = Says::Answer;
    let refused = (Ended::Refused, 1);
    check(Says::Filtered, answer, refused, refused).await;
    check(Says::Error("content_filter"), answer, refused, refused).await;
    // The paper's code knows no refusals in words.
    check(Says::Text("I'm sorry, but I can't."), answer, refused, (Ended::Invalid, 1)).await;
}

/// A cell of which the prompts from the fortieth on are answered so; those before are answered well.
async fn ends_of_the_last(says: Says) -> Vec<(Ended, usize)> {
    let person = Person::new(fold());
    let server = Server::start(Arc::new(move |request, before| {
        if before < 40 { Says::Answer } else { says }.to(request, &person)
    }));
    let mut setup = Setup { method: Method::FullInfo, ..Setup::new(server.address) };
    setup.model.limits.calls_in_flight = 8;
    let outcome = Bench::new(setup).await.finish().await.expect("finishes");
    let ended = &outcome.result.arms[0].ended.0;
    let said = outcome.result.rejections.iter().map(|rejected| rejected.rejection.to_string());
    let said: Vec<String> = said.collect();
    let declined = ended.iter().filter(|ended| **ended != Ended::Answered).count();
    assert!(said.len() == declined && said.iter().all(|said| *said == "400 context_length_exceeded: No."), "{said:?}");
    let count = |of: Ended| ended.iter().filter(|ended| **ended == of).count();
    Ended::ALL.map(|of| (of, count(of))).into_iter().filter(|(_, count)| *count > 0).collect()
}

#[tokio::test]
async fn prompts_that_are_too_long_end_so_and_the_providers_words_are_kept() {
    let ends = ends_of_the_last(Says::Error("context_length_exceeded")).await;
    assert_eq!(ends, [(Ended::Answered, 40), (Ended::TooLong, 18)]);
}

#[tokio::test]
async fn without_a_limit_there_is_no_larger_one() {
    let (end, bodies) = end(says(Says::CutOff("Hm"), Says::Answer), Behaviour::Corrected, None).await;
    assert_eq!(end, (Ended::CutOff, 1));
    assert!(bodies.iter().all(|body| body.get("max_tokens").is_none()));
}

#[tokio::test]
async fn a_reminder_carries_the_conversation_and_the_ordinary_limit() {
    let script = says(Says::Text(INVALID), Says::Answer);
    let (_, bodies) = end(script, Behaviour::Corrected, Some(LIMIT)).await;
    let reminders: Vec<&Value> = bodies.iter().filter(|body| body["messages"][1] != Value::Null).collect();
    assert_eq!(reminders.len(), 58);
    for body in reminders {
        assert_eq!(body["messages"][1], json!({"role": "assistant", "content": INVALID}));
        assert_eq!((&body["messages"][2]["role"], &body["max_tokens"]), (&json!("user"), &json!(LIMIT)));
        assert!(body["messages"][2]["content"].as_str().expect("is text").contains("Answer: "), "{body}");
    }
}

#[tokio::test]
async fn more_room_is_the_same_prompt_with_four_times_the_limit() {
    let script = says(Says::CutOff(""), Says::Answer);
    let (_, bodies) = end(script, Behaviour::Corrected, Some(LIMIT)).await;
    let (second, first): (Vec<Value>, Vec<Value>) =
        bodies.into_iter().partition(|body| body["max_tokens"] == LIMIT * 4);
    assert_eq!((first.len(), second.len()), (58, 58));
    for mut body in second {
        body["max_tokens"] = json!(LIMIT);
        assert!(first.contains(&body));
    }
}

/// What became of a backstory: how that ended, how often it was asked for, which text the modules read, and how many
/// calls that were.
type Story = (Ended, u8, Option<&'static str>, usize);

/// A cell of the `valuesim` method whose story call is answered so; everything else is answered well.
async fn story(first: Says, second: Says, behaviour: Behaviour) -> (Ended, u8, Vec<Request>) {
    let person = Person::new(fold());
    let script: Script = Arc::new(move |request, _| {
        let is_story = request.prompt().starts_with("You are a background story writer");
        let says = if !is_story {
            Says::Answer
        } else if is_second(request) {
            second
        } else {
            first
        };
        says.to(request, &person)
    });
    let server = Server::start(script);
    let mut setup = Setup { behaviour, ..Setup::new(server.address) };
    setup.model.max_output_tokens = Some(LIMIT);
    let outcome = Bench::new(setup).await.finish().await.expect("finishes");
    let story = outcome.result.story.expect("there was one to write");
    let predictions = &outcome.result.arms[0].ended.0;
    let without = [Ended::Refused, Ended::TooLong, Ended::Invalid].contains(&story.ended);
    let expected = if without { Ended::NoBackstory } else { Ended::Answered };
    assert!(predictions.iter().all(|ended| *ended == expected), "{expected}: {predictions:?}");
    (story.ended, story.asked, server.requests())
}

async fn check_story(first: Says, second: Says, corrected: Story, paper: Story) {
    for (behaviour, expected) in [(Behaviour::Corrected, corrected), (Behaviour::Paper, paper)] {
        let (ended, asked, requests) = story(first, second, behaviour).await;
        let (_, _, text, fewest) = expected;
        assert_eq!((ended, asked), (expected.0, expected.1), "{first:?}, then {second:?}, {behaviour}");
        let of_modules = &requests[usize::from(asked)..];
        assert_eq!(of_modules.is_empty(), fewest == 0);
        assert!(of_modules.len() >= fewest, "{} calls", of_modules.len());
        let read = |request: &Request| text.is_some_and(|text| request.prompt().contains(text));
        let modules = of_modules.iter().filter(|request| request.prompt().contains("User Profile:"));
        assert!(modules.clone().all(read), "the modules read {text:?}");
    }
}

#[tokio::test]
async fn a_backstory_that_is_cut_off_gets_more_room_once() {
    const CALLS: usize = 58 * 3;
    let (half, more) = (Says::CutOff("You live in a"), Says::CutOff("You live in a house by"));
    let paper = (Ended::CutOff, 1, Some("You live in a"), CALLS);
    check_story(half, Says::Answer, (Ended::Answered, 2, Some(BACKSTORY), CALLS), paper).await;
    check_story(half, more, (Ended::CutOff, 2, Some("You live in a house by"), CALLS), paper).await;
    check_story(half, Says::Error("invalid_value"), (Ended::CutOff, 2, Some("You live in a"), CALLS), paper).await;
    check_story(half, Says::Filtered, (Ended::CutOff, 2, Some("You live in a"), CALLS), paper).await;
}

#[tokio::test]
async fn a_backstory_that_is_refused_ends_its_predictions() {
    let check_both = async |first, ended| {
        let expected = (ended, 1, None, 0);
        check_story(first, Says::Answer, expected, expected).await;
    };
    check_both(Says::Filtered, Ended::Refused).await;
    check_both(Says::Text("  "), Ended::Invalid).await;
}

#[tokio::test]
async fn talk_around_a_backstory_is_kept_and_counted() {
    const FRAMED: &str =
        "Here is the backstory:\n\nYou live in a house by the sea.\n\nLet me know if you want changes!";
    const MODULES: usize = 58 * 3;
    let expected = (Ended::Answered, 1, Some("Let me know if you want changes!"), MODULES);
    check_story(Says::Text(FRAMED), Says::Answer, expected, expected).await;
    for (text, framed) in [(FRAMED, 1), (BACKSTORY, 0)] {
        let person = Person::new(fold());
        let server = Server::start(Arc::new(move |request, _| {
            let is_story = request.prompt().starts_with("You are a background story writer");
            if is_story { ok(&completion(text, "stop")) } else { ok(&person.reply(request)) }
        }));
        let outcome = Bench::new(Setup::new(server.address)).await.finish().await.expect("finishes");
        assert_eq!(outcome.spend.oddities.values().sum::<u64>(), framed, "{:?}", outcome.spend.oddities);
    }
}

#[tokio::test]
async fn answers_may_be_constrained_to_the_codes_of_the_question() {
    let person = Person::new(fold());
    let server = Server::start(Arc::new(move |request, _| {
        let schema = &request.body["response_format"]["json_schema"]["schema"];
        let codes = schema["properties"]["answer"]["enum"].as_array();
        let Some(code) = codes.and_then(|codes| codes.last()) else { return ok(&person.reply(request)) };
        let answer = json!({"answer": code, "analysis": "They would."}).to_string();
        ok(&completion(&answer, "stop"))
    }));
    let mut setup = Setup::new(server.address);
    setup.model.answer_format = AnswerFormat::JsonSchema;
    let outcome = Bench::new(setup).await.finish().await.expect("finishes");
    let arm = &outcome.result.arms[0];
    assert!(arm.ended.0.iter().all(|ended| *ended == Ended::Answered), "{:?}", arm.ended);
    let constrained = |request: &&Request| request.body.get("response_format").is_some();
    assert_eq!(server.requests().iter().filter(constrained).count(), 58 * 3, "all modules' calls, and no story's");
}
