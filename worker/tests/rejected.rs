//! A provider that does not take prompts: one ends alone, and where it takes none, or too few, the worker stops.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::json;
use valuesim_shared::method::Method;
use valuesim_shared::outcome::{CellOutcome, Ended};
use valuesim_shared::queue::QueueKind;
use valuesim_worker::error::WorkerError;
use valuesim_worker::provider::CallErrorKind;

use support::bench::{Bench, Setup, fold};
use support::person::Person;
use support::server::{Request, Script, Server, Step, ok, response};

#[allow(dead_code, reason = "each test program uses a part")]
mod support;

/// A provider that answers well, but for what `trouble` says.
fn person_with(trouble: impl Fn(&Request, usize) -> Option<Vec<Step>> + Send + Sync + 'static) -> Script {
    let person = Person::new(fold());
    Arc::new(move |request, before| trouble(request, before).unwrap_or_else(|| ok(&person.reply(request))))
}

/// The provider answers so once the cell is under way; the worker stops, and for that reason, after so many attempts.
async fn check_stop(
    answer: Vec<Step>,
    attempts: RangeInclusive<usize>,
    is_it: impl Fn(&WorkerError) -> bool,
) -> WorkerError {
    let server = Server::start(person_with(move |_, before| (before >= 1).then(|| answer.clone())));
    let mut setup = Setup::new(server.address);
    setup.model.limits.calls_in_flight = 1;
    let error = Bench::new(setup).await.finish().await.expect_err("cannot go on");
    assert!(is_it(&error), "{error}");
    let made = server.requests().len() - 1;
    assert!(attempts.contains(&made), "{made} attempts: {error}");
    error
}

fn no(status: &str, code: &str) -> Vec<Step> {
    response(status, "", json!({"error": {"message": "No.", "code": code}}).to_string().as_bytes())
}

#[tokio::test]
async fn keys_and_money_stop_the_worker_at_once() {
    let is =
        |kind| move |error: &WorkerError| matches!(error, WorkerError::Provider { error, .. } if error.kind == kind);
    let error = check_stop(no("401 Unauthorized", "invalid_api_key"), 1..=1, is(CallErrorKind::MissingKey)).await;
    assert!(error.is_configuration());
    let no_money = is(CallErrorKind::InsufficientFunds);
    let error = check_stop(no("429 Too Many Requests", "insufficient_quota"), 1..=1, no_money).await;
    assert!(!error.is_configuration());
}

/// The other calls of the cell are tried meanwhile, and the short prompt as well.
#[tokio::test]
async fn a_provider_that_rejects_everything_from_now_on_stops_the_worker() {
    for answer in [
        no("404 Not Found", "model_not_found"),
        no("400 Bad Request", "unknown_parameter"),
        response("500 Internal Server Error", "x-should-retry: false\r\n", b""),
    ] {
        let server = Server::start(person_with(move |_, before| (before >= 1).then(|| answer.clone())));
        let mut setup = Setup::new(server.address);
        setup.model.limits.calls_in_flight = 1;
        let error = Bench::new(setup).await.finish().await.expect_err("cannot go on");
        assert!(matches!(error, WorkerError::RejectsAll { .. }), "{error}");
        let prompts: Vec<String> = server.requests().iter().map(|request| request.prompt().to_owned()).collect();
        assert!(
            prompts.len() < 20 && prompts.iter().filter(|prompt| *prompt == PROBE).count() == 1,
            "{}",
            prompts.len()
        );
    }
}

/// What the worker asks where nothing else tells whether a provider answers.
const PROBE: &str = "Reply with the number 1.";

/// Each may have been paid for, and the waits between two attempts at one prompt leave room for attempts at others.
#[tokio::test]
async fn five_answers_in_a_row_that_are_no_completion_stop_the_worker_whatever_the_prompts() {
    let answer = ok(&json!({"usage": {"prompt_tokens": 1}}));
    // Others of the cell may be sent before the short prompt is.
    check_stop(answer, 6..=10, |error| matches!(error, WorkerError::RejectsAll { .. })).await;
}

/// A cell of which the tenth prompt and its like are answered so for ever.
async fn with_one_poisonous_prompt(answer: Vec<Step>) -> (CellOutcome, Server) {
    let person = Person::new(fold());
    let poison = std::sync::Mutex::new(None);
    let server = Server::start(Arc::new(move |request: &Request, before| {
        let mut poison = poison.lock().expect("nobody panics");
        if before == 10 {
            *poison = Some(request.prompt().to_owned());
        }
        if poison.as_deref() == Some(request.prompt()) { answer.clone() } else { ok(&person.reply(request)) }
    }));
    let outcome = Bench::new(Setup { method: Method::FullInfo, ..Setup::new(server.address) }).await.finish().await;
    (outcome.expect("finishes"), server)
}

#[tokio::test]
async fn a_prompt_that_is_rejected_ends_alone_with_what_the_provider_said() {
    let firewall = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>";
    for (answer, said, tries) in [
        (response("422 Unprocessable Entity", "", br#"{"detail":"unprocessable"}"#), "422: unprocessable", 3..=3),
        (no("404 Not Found", "model_not_found"), "404 model_not_found: No.", 3..=3),
        (no("403 Forbidden", "odd"), "403 odd: No.", 3..=3),
        (response("403 Forbidden", "content-type: text/html\r\n", firewall), "403: <!DOCTYPE html>", 5..=12),
        (response("500 Internal Server Error", "", b"crashed"), "500: crashed", 5..=12),
        (ok(&json!({"usage": {"prompt_tokens": 1}})), "200: it has no choices[0].message", 5..=5),
    ] {
        let (outcome, server) = with_one_poisonous_prompt(answer).await;
        let ended = &outcome.result.arms[0].ended.0;
        let rejected = ended.iter().filter(|ended| **ended == Ended::Rejected).count();
        assert_eq!((rejected, ended.len()), (1, 58), "{said}");
        let [of_it] = &outcome.result.rejections[..] else { panic!("{:?}", outcome.result.rejections) };
        assert!(of_it.rejection.to_string().starts_with(said), "{}", of_it.rejection);
        let poison = server.requests()[10].prompt().to_owned();
        let asked = server.requests().iter().filter(|request| request.prompt() == poison).count();
        assert!(tries.contains(&asked), "{said}: {asked} tries");
    }
}

#[tokio::test]
async fn a_rejection_that_passes_costs_no_prediction() {
    for answer in [no("404 Not Found", "model_not_found"), response("499 ", "", b"")] {
        // No prompt is rejected twice, in whatever order the calls arrive.
        let rejected = std::sync::Mutex::new(HashSet::new());
        let server = Server::start(person_with(move |request, before| {
            let mut rejected = rejected.lock().expect("nobody panics");
            (before % 9 == 8 && rejected.insert(request.prompt().to_owned())).then(|| answer.clone())
        }));
        let outcome = Bench::new(Setup::new(server.address)).await.finish().await.expect("finishes");
        let ended = &outcome.result.arms[0].ended.0;
        assert!(
            ended.iter().all(|ended| *ended == Ended::Answered) && outcome.result.rejections.is_empty(),
            "{ended:?}"
        );
        assert!(outcome.spend.total().failed > 0);
    }
}

#[tokio::test]
async fn too_many_rejected_prompts_stop_the_worker_with_a_table() {
    let server = Server::start(person_with(|request, before| {
        let is_odd = before > 5 && request.prompt().len() % 2 == 1;
        is_odd.then(|| response("422 Unprocessable Entity", "", br#"{"detail":"unprocessable"}"#))
    }));
    let setup = Setup { method: Method::FullInfo, cells: 8, ..Setup::new(server.address) };
    let error = Bench::new(setup).await.fail().await;
    let text = error.to_string();
    assert!(matches!(error, WorkerError::TooManyNotTaken { .. }) && !error.is_configuration(), "{text}");
    assert!(text.contains("did not take 2") && text.contains("  422: unprocessable"), "{text}");
}

#[tokio::test]
async fn a_run_of_which_no_prompt_is_taken_stops_before_anything_is_recorded() {
    let too_long = no("400 Bad Request", "context_length_exceeded");
    for (method, cells, prompts) in [(Method::FullInfo, 1, 20), (Method::ValueSim, 30, 20), (Method::ValueSim, 2, 2)] {
        let server = Server::always(too_long.clone());
        let bench = Bench::new(Setup { method, cells, ..Setup::new(server.address) }).await;
        let error = bench.fail().await;
        let WorkerError::NoPromptTaken { said, .. } = &error else { panic!("{error}") };
        assert!(said.of >= prompts && error.is_configuration(), "{error}");
        assert!(bench.waiting(QueueKind::Results).await.is_empty());
    }
}
