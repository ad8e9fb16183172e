//! A worker whose provider is in trouble: the cell is finished all the same, its result is right, and every attempt is
//! counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use valuesim_shared::outcome::{CellOutcome, CellResult, StageSpend};
use valuesim_shared::stage::Stage;
use valuesim_shared::tokenizer::Tokenizer;
use valuesim_worker::timeouts::Backoff;

use support::bench::{Bench, Setup, fold, shows};
use support::person::Person;
use support::server::{Closed, Request, Script, Server, Step, completion, cut, ok, response};

#[allow(dead_code, reason = "each test program uses a part")]
mod support;

/// A provider that answers well, but for what `trouble` says.
fn person_with(trouble: impl Fn(&Request, usize) -> Option<Vec<Step>> + Send + Sync + 'static) -> Script {
    let person = Person::new(fold());
    Arc::new(move |request, before| trouble(request, before).unwrap_or_else(|| ok(&person.reply(request))))
}

fn person() -> Script {
    person_with(|_, _| None)
}

/// What comes out when nothing goes wrong.
async fn undisturbed() -> CellResult {
    let server = Server::start(person());
    let outcome = Bench::new(Setup::new(server.address)).await.finish().await.expect("finishes");
    let spend = outcome.spend.total();
    assert_eq!((spend.sent, spend.failed), (server.requests().len() as u64, 0));
    assert!(outcome.spend.stages.contains_key(&Stage::COORDINATOR), "all kinds of calls are made");
    outcome.result
}

/// The result is the undisturbed one, and everything that was sent has ended.
async fn check_outcome(outcome: &CellOutcome, bench: &Bench) -> StageSpend {
    assert_eq!(outcome.result, undisturbed().await);
    let spend = outcome.spend.total();
    assert_eq!((spend.sent, spend.abandoned), (spend.answered + spend.failed, 0), "{spend:?}");
    let seen = bench.meter().read();
    assert_eq!((seen.sent, seen.failed, seen.in_flight), (spend.sent, spend.failed, 0), "the meter counts the same");
    assert_eq!(seen.trouble, None, "the trouble is over");
    spend
}

/// Runs a cell against a provider in such trouble. Every request that reaches the provider is counted as sent.
async fn check(trouble: impl Fn(&Request, usize) -> Option<Vec<Step>> + Send + Sync + 'static) -> StageSpend {
    let server = Server::start(person_with(trouble));
    let bench = Bench::new(Setup::new(server.address)).await;
    let outcome = bench.finish().await.expect("finishes");
    let spend = check_outcome(&outcome, &bench).await;
    assert_eq!(spend.sent, server.requests().len() as u64);
    spend
}

/// The same, and some attempts fail.
async fn check_failing(trouble: impl Fn(&Request, usize) -> Option<Vec<Step>> + Send + Sync + 'static) {
    let spend = check(trouble).await;
    assert!(spend.failed > 0, "{spend:?}");
}

#[tokio::test]
async fn down_at_the_start() {
    let closed = Closed::anywhere();
    let bench = Bench::new(Setup::new(closed.address)).await;
    let meter = bench.meter();
    let later = async {
        shows(&meter, |seen| seen.failed >= 3).await;
        let trouble = meter.read().trouble.expect("says what is wrong");
        assert!(trouble.contains("cannot be reached"), "{trouble}");
        closed.open(person())
    };
    let (outcome, _server) = tokio::join!(bench.finish(), later);
    check_outcome(&outcome.expect("finishes"), &bench).await;
}

#[tokio::test]
async fn down_for_a_while_in_the_middle() {
    let server = Server::start(person());
    let bench = Bench::new(Setup::new(server.address)).await;
    let meter = bench.meter();
    let outage = async {
        server.requested(20).await;
        let closed = server.close().await;
        let before = meter.read().failed;
        shows(&meter, |seen| seen.failed >= before + 100).await;
        closed.open(person())
    };
    let (outcome, _server) = tokio::join!(bench.finish(), outage);
    let spend = check_outcome(&outcome.expect("finishes"), &bench).await;
    assert!(spend.failed >= 100, "{spend:?}");
}

#[tokio::test]
async fn slow() {
    let person = Person::new(fold());
    let late = move |request: &Request, _: usize| {
        let pause = Step::Pause(Duration::from_millis(30));
        Some(std::iter::once(pause).chain(ok(&person.reply(request))).collect())
    };
    assert_eq!(check(late).await.failed, 0);
}

#[tokio::test]
async fn hanging() {
    let server = Server::start(person_with(|_, before| (before % 40 == 0).then(|| vec![Step::Hang])));
    let mut setup = Setup::new(server.address);
    setup.timeouts.deadlines.idle = Duration::from_secs(1);
    let bench = Bench::new(setup).await;
    let outcome = bench.finish().await.expect("finishes");
    let spend = check_outcome(&outcome, &bench).await;
    assert!(spend.failed >= 4 && spend.unsure.at_most.input > 0, "perhaps they were billed: {spend:?}");
}

#[tokio::test]
async fn cutting_connections() {
    let half = completion("Answer: 1", "stop");
    check_failing(move |_, before| match before % 6 {
        0 => Some(vec![]),
        3 => Some(cut(&half)),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn failing_in_all_ways_that_servers_have() {
    let inside = ok(&json!({"error": {"message": "Provider returned error", "code": 502}}));
    check_failing(move |_, before| match before % 11 {
        1 => Some(response("500 Internal Server Error", "", b"oops")),
        3 => Some(response("502 Bad Gateway", "", b"<html>Bad gateway</html>")),
        5 => Some(response("503 Service Unavailable", "", b"")),
        7 => Some(inside.clone()),
        9 => Some(response("200 OK", "", b"<html>It works!</html>")),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_answers_in_the_place_of_a_provider_that_is_away() {
    let server = Server::start(person_with(|_, before| match before {
        20..40 => Some(response("200 OK", "", b"<html>We will be back soon.</html>")),
        40..60 => Some(ok(&json!({"status": "maintenance"}))),
        60..80 => Some(response("302 Found", "location: /maintenance\r\n", b"")),
        _ => None,
    }));
    let mut setup = Setup::new(server.address);
    // One prompt sees all of it.
    setup.model.limits.calls_in_flight = 1;
    let bench = Bench::new(setup).await;
    let outcome = bench.finish().await.expect("finishes");
    assert_eq!(check_outcome(&outcome, &bench).await.failed, 60);
}

#[tokio::test]
async fn a_server_that_never_answered_with_a_completion_is_the_wrong_one() {
    for body in ["<html>It works!</html>", r#"{"object":"x"}"#] {
        let server = Server::always(response("200 OK", "", body.as_bytes()));
        let error = Bench::new(Setup::new(server.address)).await.finish().await.expect_err("the address is wrong");
        assert!(error.to_string().contains("check base_url"), "{error}");
        // The story is the cell's only call at first.
        assert_eq!(server.requests().len(), 5);
    }
}

#[tokio::test]
async fn blank_lines_before_the_answer() {
    let person = Person::new(fold());
    let blank = move |request: &Request, _: usize| {
        let body = format!("\n\n\r\n{}", person.reply(request));
        Some(response("200 OK", "", body.as_bytes()))
    };
    assert_eq!(check(blank).await.failed, 0);
}

#[tokio::test]
async fn a_rate_limit_is_kept_to() {
    const AFTER: Duration = Duration::from_millis(120);
    const LIMITED: usize = 12;
    let trouble = |_: &Request, before: usize| {
        let headers = format!("retry-after-ms: {}\r\n", AFTER.as_millis());
        (before < LIMITED && before.is_multiple_of(3)).then(|| response("429 Too Many Requests", &headers, b"{}"))
    };
    let server = Server::start(person_with(trouble));
    let bench = Bench::new(Setup::new(server.address)).await;
    let outcome = bench.finish().await.expect("finishes");
    assert!(check_outcome(&outcome, &bench).await.failed > 0);
    let mut refused = HashMap::new();
    for (at, request) in server.requests().into_iter().enumerate() {
        if let Some(before) = refused.remove(&request.body.to_string()) {
            let waited = request.at - before;
            assert!(waited >= AFTER, "asked again after {waited:?}");
        }
        if at < LIMITED && at.is_multiple_of(3) {
            refused.insert(request.body.to_string(), request.at);
        }
    }
    assert!(refused.is_empty(), "what was refused was asked again");
}

#[tokio::test]
async fn what_a_rate_limit_says_to_one_call_holds_for_all() {
    const AFTER: Duration = Duration::from_millis(300);
    let trouble = |_: &Request, before: usize| {
        (before == 10).then(|| response("429 Too Many Requests", "retry-after: 0.3\r\n", b"{}"))
    };
    let server = Server::start(person_with(trouble));
    let mut setup = Setup::new(server.address);
    setup.model.limits.calls_in_flight = 1;
    let bench = Bench::new(setup).await;
    check_outcome(&bench.finish().await.expect("finishes"), &bench).await;
    let requests = server.requests();
    let waited = requests[11].at - requests[10].at;
    assert!(waited >= AFTER, "the next call went out after {waited:?}");
}

#[tokio::test]
async fn another_model_than_asked_for_is_recorded() {
    let person = Person::new(fold());
    let other = move |request: &Request, before: usize| {
        let mut reply = person.reply(request);
        reply["model"] = if before.is_multiple_of(2) { json!("m-0125") } else { json!("m-1106") };
        Some(ok(&reply))
    };
    let server = Server::start(person_with(other));
    let outcome = Bench::new(Setup::new(server.address)).await.finish().await.expect("finishes");
    let mut reported = outcome.spend.reported_models;
    reported.sort_unstable();
    assert_eq!(reported, ["m-0125", "m-1106"]);
    assert_eq!(outcome.result, undisturbed().await);
}

#[tokio::test]
async fn without_usage_the_replies_are_counted_by_the_tokenizer_of_the_model_that_answers() {
    let person = Person::new(fold());
    let silent = move |request: &Request, _: usize| {
        let mut reply = person.reply(request);
        reply["usage"].take();
        reply["model"] = json!("gpt-4o-2024-11-20");
        Some(ok(&reply))
    };
    let server = Server::start(person_with(silent));
    let bench = Bench::new(Setup::new(server.address)).await;
    let spend = check_outcome(&bench.finish().await.expect("finishes"), &bench).await;
    assert_eq!((spend.without_usage, spend.tokens.input), (spend.answered, 0), "they are marked");
    let prompts = server.requests().into_iter().map(|request| {
        let messages: Vec<Value> = request.body["messages"].as_array().expect("messages").clone();
        Tokenizer::O200k.count_chat(messages.iter().filter_map(|message| message["content"].as_str()))
    });
    assert_eq!(spend.unsure.likely.input, prompts.sum::<u64>());
    assert!(spend.unsure.likely.output > 0 && spend.unsure.at_most.input > spend.unsure.likely.input, "{spend:?}");
}

#[tokio::test]
async fn an_outage_is_no_busy_loop_and_can_be_left() {
    let server = Server::always(response("500 Internal Server Error", "", b""));
    let mut setup = Setup::new(server.address);
    setup.timeouts.backoff = Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(100) };
    let bench = Bench::new(setup).await;
    let start = Instant::now();
    bench.work_during(server.requested(15)).await.expect("it waits, and stops when told to");
    // Fourteen waits of 45 ms on average; the chance that they sum to less than a quarter of that is one in millions.
    assert!(start.elapsed() >= Duration::from_millis(150), "15 attempts within {:?}", start.elapsed());
    let seen = bench.meter().read();
    assert_eq!((seen.sent, seen.failed, seen.in_flight), (server.requests().len() as u64, seen.sent, 0));
}
