//! The provider client against real connections: whatever arrives becomes a reply or an error that says what to do.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;
use valuesim_shared::model::{HeaderSource, ModelSettings};
use valuesim_worker::provider::{
    CallError, CallErrorKind, Client, Conversation, Deadlines, Decision, EncodedText, Reply,
};

use support::server::{Closed, Server, Step, completion, cut, ok, response};

#[allow(dead_code, reason = "each test program uses a part")]
mod support;

const KEY: &str = "sk-test-1234567890";

/// Ceilings for what hangs: where a call is to end before, a test says how.
const DEADLINES: Deadlines =
    Deadlines { connect: Duration::from_mins(1), idle: Duration::from_mins(1), total: Duration::from_mins(2) };

fn model(base_url: String) -> ModelSettings {
    ModelSettings { base_url: Some(base_url), ..ModelSettings::named("m") }
}

async fn send(client: &Client) -> Result<Reply, CallError> {
    let [before, question, after] = ["Who are ", "you", "?"].map(EncodedText::new);
    client.send(client.body(&Conversation::new(&before, Some(&question), &after), "s"), "s").await
}

/// What a client makes of a server that does this with its request.
async fn ask(steps: Vec<Step>) -> Result<Reply, CallError> {
    ask_within(DEADLINES, steps).await
}

async fn ask_within(deadlines: Deadlines, steps: Vec<Step>) -> Result<Reply, CallError> {
    let server = Server::always(steps);
    let answer = send(&client_within(deadlines, &server)).await;
    assert_eq!(server.requests().len(), 1, "one call is one request, whatever happens");
    answer
}

fn client_of(server: &Server) -> Client {
    client_within(DEADLINES, server)
}

fn client_within(deadlines: Deadlines, server: &Server) -> Client {
    Client::new(&model(format!("http://{}/v1", server.address)), deadlines).expect("is set up")
}

async fn check_error(steps: Vec<Step>, expected: CallErrorKind) -> CallError {
    let error = ask(steps.clone()).await.expect_err("no reply");
    assert_eq!(error.kind, expected, "{error} after {steps:?}");
    error
}

/// How long a call takes that ends with one of these deadlines.
async fn time_out(deadlines: Deadlines, steps: Vec<Step>) -> Duration {
    let start = Instant::now();
    let error = ask_within(deadlines, steps).await.expect_err("no reply");
    assert_eq!(error.kind, CallErrorKind::TimedOut, "{error}");
    start.elapsed()
}

async fn check_reply(steps: Vec<Step>, expected: &str) -> Reply {
    let reply = ask(steps).await.expect("a reply");
    assert_eq!(reply.content, expected);
    reply
}

fn head(headers: &str) -> Step {
    Step::Send(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes())
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let nobody = Closed::anywhere();
    let client = Client::new(&model(format!("http://{}/v1", nobody.address)), DEADLINES).expect("is set up");
    assert_eq!(send(&client).await.expect_err("nobody is there").kind, CallErrorKind::Unreachable);
}

#[tokio::test]
async fn a_connection_may_break_anywhere() {
    let good = completion("Answer: 1", "stop");
    check_error(vec![], CallErrorKind::ConnectionBroken).await;
    check_error(vec![Step::Send(b"HTTP/1.1 200 O".to_vec())], CallErrorKind::ConnectionBroken).await;
    check_error(vec![head("content-length: 99999999999\r\n")], CallErrorKind::ConnectionBroken).await;
    check_error(cut(&good), CallErrorKind::ConnectionBroken).await;
    let chunk = Step::Send(b"5\r\n{\"cho\r\n".to_vec());
    check_error(vec![head("transfer-encoding: chunked\r\n"), chunk], CallErrorKind::ConnectionBroken).await;
}

#[tokio::test]
async fn an_error_that_breaks_off_is_still_that_error() {
    let head = Step::Send(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 500\r\n\r\n{\"err".to_vec());
    check_error(vec![head], CallErrorKind::MissingKey).await;
}

#[tokio::test]
async fn what_is_not_http_is_tried_again() {
    let error = ask(vec![Step::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]).await.expect_err("no HTTP");
    assert_eq!(error.kind.decision(), Decision::Retry, "{error}");
}

#[tokio::test]
async fn silence_ends_with_the_idle_deadline() {
    let deadlines = Deadlines { idle: Duration::from_millis(400), ..DEADLINES };
    for steps in [vec![Step::Hang], vec![head("content-length: 99\r\n"), Step::Send(b"{".to_vec()), Step::Hang]] {
        let waited = time_out(deadlines, steps).await;
        assert!(waited >= deadlines.idle && waited < deadlines.total, "{waited:?}");
    }
}

/// Blank lines as `DeepSeek` sends them while a request waits for its turn.
fn blank_lines(every: Duration, count: usize) -> Vec<Step> {
    let one = [Step::Pause(every), Step::Send(b"\n".to_vec())];
    let lines = std::iter::repeat_n(one, count).flatten();
    std::iter::once(head("connection: close\r\n")).chain(lines).collect()
}

#[tokio::test]
async fn blank_lines_keep_a_call_alive() {
    let deadlines = Deadlines { idle: Duration::from_secs(2), ..DEADLINES };
    let mut steps = blank_lines(deadlines.idle / 8, 12);
    steps.push(Step::Send(completion("Answer: 1", "stop").to_string().into_bytes()));
    let start = Instant::now();
    assert_eq!(ask_within(deadlines, steps).await.expect("a reply").content, "Answer: 1");
    assert!(start.elapsed() > deadlines.idle, "it took longer than silence may");
}

#[tokio::test]
async fn blank_lines_do_not_keep_a_call_alive_for_ever() {
    let deadlines = Deadlines { total: Duration::from_secs(1), ..DEADLINES };
    let waited = time_out(deadlines, blank_lines(deadlines.total / 10, 1000)).await;
    assert!(waited >= deadlines.total, "{waited:?}");
}

#[tokio::test]
async fn a_response_without_end_is_given_up() {
    let megabyte = Step::Send(vec![b' '; 1 << 20]);
    let steps = std::iter::once(head("connection: close\r\n")).chain(std::iter::repeat_n(megabyte, 64)).collect();
    let server = Server::always(steps);
    let error = send(&client_of(&server)).await.expect_err("too long");
    assert_eq!(error.kind, CallErrorKind::Malformed);
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn chunks_are_put_together() {
    let body = completion("Answer: 1", "stop").to_string();
    let (one, two) = body.split_at(20);
    let chunk = |text: &str| Step::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes());
    let steps = vec![head("transfer-encoding: chunked\r\n"), chunk(one), chunk(two), chunk("")];
    check_reply(steps, "Answer: 1").await;
}

#[tokio::test]
async fn peculiar_completions_are_replies() {
    check_reply(ok(&completion("", "stop")), "").await;
    let mut other = completion("Answer: 1", "stop");
    other["model"] = json!("gpt-3.5-turbo-0125");
    assert_eq!(check_reply(ok(&other), "Answer: 1").await.model, "gpt-3.5-turbo-0125");
    let mut no_usage = completion("Answer: 1", "stop");
    no_usage["usage"].take();
    assert_eq!(check_reply(ok(&no_usage), "Answer: 1").await.tokens, None);
    let not_text = completion("Answer: 1 ?", "stop").to_string().into_bytes();
    let not_text: Vec<u8> = not_text.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
    check_reply(response("200 OK", "", &not_text), "Answer: 1 \u{fffd}").await;
}

#[tokio::test]
async fn errors_are_sorted_by_what_to_do() {
    use CallErrorKind as Kind;
    let error = |code: &str| json!({"error": {"message": "No.", "type": "t", "code": code}}).to_string();
    let check = async |status: &str, headers: &str, body: &str, expected: Kind, after: Option<f64>| {
        let error = check_error(response(status, headers, body.as_bytes()), expected).await;
        assert_eq!(error.retry_after.map(|after| after.as_secs_f64()), after, "{status} {headers}");
    };
    check("401 Unauthorized", "", &error("invalid_api_key"), Kind::MissingKey, None).await;
    check("402 Payment Required", "", &error("x"), Kind::InsufficientFunds, None).await;
    check("404 Not Found", "", &error("model_not_found"), Kind::UnknownModel, None).await;
    check("429 Too Many Requests", "retry-after: 7\r\n", &error("x"), Kind::RateLimited, Some(7.0)).await;
    check("429 Too Many Requests", "retry-after-ms: 1500\r\n", &error("x"), Kind::RateLimited, Some(1.5)).await;
    let used_up = "x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 6m0s\r\n";
    check("429 Too Many Requests", used_up, &error("x"), Kind::RateLimited, Some(30.0)).await;
    check("429 Too Many Requests", "", &error("insufficient_quota"), Kind::InsufficientFunds, None).await;
    check("503 Service Unavailable", "retry-after: 2\r\n", "", Kind::Overloaded, Some(2.0)).await;
    check("502 Bad Gateway", "", "<html><h1>Bad gateway</h1></html>", Kind::ServerFault, None).await;
    check("200 OK", "", "<html>It works!</html>", Kind::Malformed, None).await;
    let inside = json!({"error": {"message": "Slow down.", "code": 429}}).to_string();
    check("200 OK", "", &inside, Kind::RateLimited, None).await;
}

#[tokio::test]
async fn redirects_are_not_followed_and_say_where_they_lead() {
    let elsewhere = Server::always(ok(&completion("Answer: 1", "stop")));
    let location = format!("location: http://{}/v1/chat/completions\r\n", elsewhere.address);
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let error = check_error(response(status, &location, b""), CallErrorKind::Malformed).await;
        assert!(error.to_string().contains(&elsewhere.address.to_string()), "{error}");
    }
    assert!(elsewhere.requests().is_empty(), "the key went to the address that it is for, and to no other");
}

/// A client with a key, in a file as operators have it.
fn client_with_key(server: &Server, key: &str) -> Result<Client, valuesim_worker::provider::ClientError> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("key");
    std::fs::write(&file, key).expect("writes");
    let model = ModelSettings { api_key_file: Some(file), ..model(format!("http://{}/v1", server.address)) };
    Client::new(&model, DEADLINES)
}

#[tokio::test]
async fn the_key_is_sent_as_bearer_to_the_address_of_completions() {
    let server = Server::always(ok(&completion("Answer: 1", "stop")));
    send(&client_with_key(&server, KEY).expect("is set up")).await.expect("a reply");
    let request = &server.requests()[0];
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert!(request.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.body["messages"], json!([{"role": "user", "content": "Who are you?"}]));
}

#[tokio::test]
async fn headers_of_ones_own_are_sent_and_never_shown() {
    const VALUE: &str = "az-0123456789abcdef";
    let echo = json!({"error": {"message": format!("bad api-key {VALUE}"), "code": 401}}).to_string();
    let server = Server::always(response("401 Unauthorized", "", echo.as_bytes()));
    let folder = tempfile::tempdir().expect("temporary folder");
    let with = |value: &str| {
        let file = folder.path().join("value");
        std::fs::write(&file, value).expect("writes");
        let source = HeaderSource { file: Some(file), ..HeaderSource::default() };
        let mut model = model(format!("http://{}/v1", server.address));
        model.headers.insert("api-key".to_owned(), source);
        Client::new(&model, DEADLINES)
    };
    let client = with(VALUE).expect("is set up");
    let error = send(&client).await.expect_err("refused");
    let request = &server.requests()[0];
    assert_eq!((request.header("api-key"), request.header("authorization")), (Some(VALUE), None));
    let said = format!("{error} {error:?} {client:?}");
    assert!(said.contains("bad api-key [key]") && !said.contains(VALUE), "{said}");
    assert_eq!(error.kind, CallErrorKind::WrongKey);
    let after_a_scheme = send(&with(&format!("Bearer {VALUE}")).expect("is set up")).await.expect_err("refused");
    assert!(!format!("{after_a_scheme} {after_a_scheme:?}").contains(VALUE), "{after_a_scheme}");
    let word_of_the_error = send(&with("api sociology bad").expect("is set up")).await.expect_err("refused");
    assert!(word_of_the_error.to_string().contains("bad api-key"), "{word_of_the_error}");
    let error = with("az-\u{1}hush").expect_err("no header has it").to_string();
    assert!(error.contains("a header api-key that cannot be sent") && !error.contains("hush"), "{error}");
    let error = with("\n").expect_err("it is empty").to_string();
    assert!(error.contains("is empty"), "{error}");
}

#[tokio::test]
async fn a_query_in_the_address_is_on_every_call() {
    let server = Server::always(ok(&completion("Answer: 1", "stop")));
    let base = format!("http://{}/openai/deployments/m/chat/completions?api-version=2024-10-21", server.address);
    let mut model = model(base);
    model.fill_in_known();
    let client = Client::new(&model, DEADLINES).expect("is set up");
    for call in 0..2 {
        send(&client).await.expect("a reply");
        let expected = "POST /openai/deployments/m/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n";
        let head = &server.requests()[call].head;
        assert!(head.starts_with(expected), "{head}");
    }
}

#[tokio::test]
async fn the_key_is_in_no_error_and_no_debug_output() {
    let echo = json!({"error": {"message": format!("Incorrect API key provided: {KEY}."), "code": 401}}).to_string();
    let bare = format!("<html>bad token Bearer {KEY}</html>");
    let answers = [
        response("401 Unauthorized", "", echo.as_bytes()),
        response("200 OK", "", echo.as_bytes()),
        response("500 Internal Server Error", "", bare.as_bytes()),
        response("200 OK", "", format!("{{\"choices\": \"{KEY}\"}}").as_bytes()),
        vec![],
    ];
    let mut said = String::new();
    for answer in answers {
        let server = Server::always(answer);
        let client = client_with_key(&server, KEY).expect("is set up");
        let error = send(&client).await.expect_err("no reply");
        writeln!(said, "{error} {error:?} {client:?}").expect("writes");
    }
    assert!(said.contains("Incorrect API key provided: [key]."), "{said}");
    assert!(!said.contains(KEY), "{said}");
}

#[tokio::test]
async fn a_key_that_comes_back_escaped_or_in_a_reply_is_taken_out() {
    let key = "sk-a/b-12345678";
    let echo = |written: &str| format!(r#"{{"error": {{"message": "bad key {written}.", "code": 401}}}}"#).into_bytes();
    let moved = "location: https://elsewhere.example/?key=sk-a%2Fb-12345678\r\n";
    let answers = [
        response("401 Unauthorized", "", &echo(r"sk-a\/b-12345678")),
        response("401 Unauthorized", "", &echo(r"\u0073\u006b-a\/b-12345678")),
        response("502 Bad Gateway", "", b"<p>bad key &#115;k-a/b-12345678.</p>"),
        response("308 Permanent Redirect", moved, b""),
    ];
    for answer in answers {
        let server = Server::always(answer);
        let error = send(&client_with_key(&server, key).expect("is set up")).await.expect_err("no reply").to_string();
        assert!(error.contains("[key]") && !error.contains("12345678"), "{error}");
    }
    let parts = json!([{"text": "it is sk-a/b-"}, {"text": "12345678, Answer: 1"}]);
    let reply = json!({"model": key, "choices": [{"message": {"content": parts}, "finish_reason": "stop"}]});
    let server = Server::always(ok(&reply));
    let reply = send(&client_with_key(&server, key).expect("is set up")).await.expect("a reply");
    assert_eq!((reply.content.as_str(), reply.model.as_str()), ("it is [key], Answer: 1", "[key]"));
    let server = Server::always(response("401 Unauthorized", "", &echo("pa55")));
    let error = send(&client_with_key(&server, "pa55").expect("is set up")).await.expect_err("no reply").to_string();
    assert!(error.contains("bad key [key]."), "a short key: {error}");
}

/// The library passes them over; none of them resets the deadline for an answer.
#[tokio::test]
async fn a_provider_that_says_continue_for_ever_has_not_answered_in_time() {
    let unit = [Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), Step::Pause(Duration::from_millis(20))];
    let server = Server::always(vec![unit; 1_000].concat());
    let deadlines = Deadlines { idle: Duration::from_millis(300), ..DEADLINES };
    let client = Client::new(&model(format!("http://{}/v1", server.address)), deadlines).expect("is set up");
    let error = send(&client).await.expect_err("no reply");
    assert_eq!(error.kind, CallErrorKind::TimedOut, "{error}");
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_refused_unseen() {
    let server = Server::always(vec![]);
    let error = client_with_key(&server, "sk-test-\u{7f}1234567890").expect_err("cannot be sent");
    let said = format!("{error} {error:?}");
    assert!(said.contains("cannot be sent") && !said.contains("1234567890"), "{said}");
}
