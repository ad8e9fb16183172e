//! Formats, errors, determinism and statistics of the simulated provider.

use std::sync::Arc;

use serde_json::{Value, json};
use valuesim_shared::codebook::Codebook;
use valuesim_shared::method::Module;
use valuesim_shared::prompt::{self, Opinion, QuestionPrompt};
use valuesim_simulator::provider::ProviderOptions;

use crate::client::{Client, body, completion, content};

fn normal() -> ProviderOptions {
    ProviderOptions::default()
}

fn question_prompts(count: usize) -> Vec<String> {
    let codebook = Codebook::built_in();
    let prompts = Module::ALL.map(|module| QuestionPrompt::module(module, "You are 43 years old."));
    codebook.questions()[..count].iter().flat_map(|question| prompts.each_ref().map(|p| p.ask(question))).collect()
}

#[tokio::test]
async fn a_reply_has_the_format_of_the_api() {
    let client = Client::start(normal()).await;
    let response = client.respond(&question_prompts(1)[0]).await;
    assert_eq!(response.headers()["x-valuesim-simulated"], "true");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(!response.headers().contains_key("x-ratelimit-limit-requests"), "there are no limits");
    let mut reply = completion(response).await;
    assert!(reply["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(reply["created"].as_u64().unwrap() > 1_700_000_000);
    assert!(content(&reply).starts_with("Answer: "));
    let tokens = |bytes: usize| (bytes * 5).div_ceil(23);
    assert_eq!(reply["usage"]["prompt_tokens"], tokens(question_prompts(1)[0].len()));
    assert_eq!(reply["usage"]["completion_tokens"], tokens(content(&reply).len()));
    let total =
        reply["usage"]["prompt_tokens"].as_u64().unwrap() + reply["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(reply["usage"]["total_tokens"], total);
    for field in ["id", "created", "usage"] {
        reply.as_object_mut().unwrap().remove(field);
    }
    let content = reply["choices"][0]["message"].as_object_mut().unwrap().remove("content");
    assert!(content.is_some());
    let expected = json!({
        "object": "chat.completion", "model": "gpt-sim", "system_fingerprint": "valuesim-simulator",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "refusal": null}, "logprobs": null, "finish_reason": "stop"
        }],
    });
    assert_eq!(reply, expected);
    client.provider.stop().await;
}

#[tokio::test]
async fn a_reply_has_at_most_the_requested_tokens() {
    let client = Client::start(normal()).await;
    for field in ["max_tokens", "max_completion_tokens"] {
        let mut body = body(&question_prompts(1)[0]);
        body[field] = json!(10);
        let reply = completion(client.post(body.to_string()).await).await;
        assert_eq!(reply["choices"][0]["finish_reason"], "length");
        assert_eq!(reply["usage"]["completion_tokens"], 10);
        assert_eq!(content(&reply).len(), 46);
    }
}

#[track_caller]
fn check_error(error: &Value, expected: &Value) {
    assert_eq!(error["error"].as_object().unwrap().len(), 4, "{error}");
    assert!(error["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(error["error"][field], *value, "{error}");
    }
}

#[tokio::test]
async fn errors_have_the_format_of_the_api() {
    let options = ProviderOptions {
        api_key: Some("right".to_owned().into()),
        models: Some(vec!["gpt-sim".to_owned()]),
        max_body_bytes: 1000,
        ..normal()
    };
    let client = Client::start(options).await;
    let ok = body("hello");
    let with = |field: &str, value: Value| {
        let mut body = ok.clone();
        body[field] = value;
        body.to_string()
    };
    let error = |kind: &str, param: Value, code: Value| json!({"type": kind, "param": param, "code": code});
    let invalid = |param: &str, code: &str| error("invalid_request_error", json!(param), json!(code));
    let without_param = |code: Value| error("invalid_request_error", Value::Null, code);
    let cases = [
        (ok.to_string(), "wrong", 401, without_param(json!("invalid_api_key"))),
        (ok.to_string(), "", 401, without_param(json!("invalid_api_key"))),
        ("{\"model\": ".to_owned(), "right", 400, without_param(Value::Null)),
        (with("messages", json!([])), "right", 400, invalid("messages", "missing_required_parameter")),
        (with("model", Value::Null), "right", 400, invalid("model", "missing_required_parameter")),
        (with("stream", json!(true)), "right", 400, invalid("stream", "unsupported_value")),
        (with("model", json!("gpt-9")), "right", 404, invalid("model", "model_not_found")),
        (with("user", json!("x".repeat(1000))), "right", 413, without_param(json!("request_too_large"))),
    ];
    for (body, key, status, expected) in cases {
        let response = client.try_post(body, key).await.unwrap();
        assert_eq!(response.status(), status, "{expected}");
        assert_eq!(response.headers()["x-valuesim-simulated"], "true");
        check_error(&serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(), &expected);
    }
    assert!(client.try_post(ok.to_string(), "right").await.unwrap().status().is_success());
    let stats = client.stats().await;
    assert_eq!((stats.requests, stats.answered), (9, 1));
    assert_eq!(stats.errors.into_iter().collect::<Vec<_>>(), [(400, 4), (401, 2), (404, 1), (413, 1)]);
    assert_eq!(client.reset().await, 401, "a reset requires the key");
}

#[tokio::test]
async fn models_health_and_unknown_urls() {
    let client =
        Client::start(ProviderOptions { models: Some(vec!["a".to_owned(), "b".to_owned()]), ..normal() }).await;
    let models: Value = serde_json::from_slice(&client.get("/v1/models").await.bytes().await.unwrap()).unwrap();
    assert_eq!((&models["data"][0]["id"], &models["data"][1]["id"]), (&json!("a"), &json!("b")));
    assert_eq!(client.get("/healthz").await.status(), 200);
    let unknown = client.get("/v1/assistants").await;
    assert_eq!(unknown.status(), 404);
    let unknown = serde_json::from_slice(&unknown.bytes().await.unwrap()).unwrap();
    check_error(&unknown, &json!({"code": "unknown_url"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_do_not_depend_on_order_or_concurrency() {
    let prompts = question_prompts(40);
    let options = || ProviderOptions { malformed_rate: 0.1, truncated_rate: 0.1, refusal_rate: 0.1, ..normal() };
    let sequential = Client::start(options()).await;
    let mut one_by_one = Vec::new();
    for prompt in prompts.iter().rev() {
        one_by_one.push(sequential.ask(prompt).await["choices"].clone());
    }
    one_by_one.reverse();
    let concurrent = Arc::new(Client::start(options()).await);
    let ask = |prompt: &String| {
        let (concurrent, prompt) = (Arc::clone(&concurrent), prompt.clone());
        tokio::spawn(async move { concurrent.ask(&prompt).await["choices"].clone() })
    };
    let calls: Vec<_> = prompts.iter().map(ask).collect();
    for (call, expected) in calls.into_iter().zip(one_by_one) {
        assert_eq!(call.await.unwrap(), expected);
    }
    let other_seed = Client::start(ProviderOptions { seed: 7, ..options() }).await;
    let mut differ = 0;
    for prompt in &prompts {
        differ += u32::from(other_seed.ask(prompt).await["choices"] != sequential.ask(prompt).await["choices"]);
    }
    assert!(differ > 20, "{differ}");
}

#[tokio::test]
async fn stats_count_calls_by_kind_and_repeated_prompts() {
    let client = Client::start(normal()).await;
    let codebook = Codebook::built_in();
    let question = &codebook.questions()[0];
    let opinion = Opinion { answer: None, analysis: "none" };
    let mut prompts = question_prompts(2);
    prompts.push(prompt::story("You are 43 years old."));
    prompts.push(prompt::coordinator(question, &[opinion; 3]));
    prompts.push(QuestionPrompt::full_info("You are 43 years old.").ask(question));
    prompts.push(QuestionPrompt::no_cab("You are 43 years old.").ask(question));
    prompts.push(QuestionPrompt::no_profile().ask(question));
    prompts.push(QuestionPrompt::rag(&[]).ask(question));
    prompts.push("hello".to_owned());
    let (mut input, mut output) = (0, 0);
    for prompt in prompts.iter().chain(&prompts[..3]) {
        let usage = client.ask(prompt).await["usage"].clone();
        input += usage["prompt_tokens"].as_u64().unwrap();
        output += usage["completion_tokens"].as_u64().unwrap();
    }
    let stats = client.stats().await;
    let calls: Vec<_> = stats.calls.iter().map(|(kind, calls)| (kind.as_str(), *calls)).collect();
    let expected = [
        ("affective", 3),
        ("behavioral", 3),
        ("cognitive", 3),
        ("coordinator", 1),
        ("embeddings", 0),
        ("full_info", 1),
        ("no_cab", 1),
        ("no_profile", 1),
        ("other", 1),
        ("rag", 1),
        ("story", 1),
    ];
    assert_eq!(calls, expected);
    assert_eq!((stats.requests, stats.answered, stats.repeated_prompts, stats.prompts_remembered), (16, 16, 3, 13));
    assert_eq!((stats.tokens.input, stats.tokens.output, stats.tokens.cached_input), (input, output, 0));
    assert_eq!((stats.windows.most_calls_in_window, stats.in_flight, stats.most_in_flight), (16, 0, 1));
    assert_eq!(stats, client.provider.stats());
    assert_eq!(client.reset().await, 204);
    client.ask(&prompts[0]).await;
    let stats = client.stats().await;
    assert_eq!((stats.requests, stats.repeated_prompts), (1, 0));
}

#[tokio::test]
async fn a_reminder_is_a_separate_prompt() {
    let client = Client::start(normal()).await;
    let prompt = &question_prompts(1)[0];
    let first = client.ask(prompt).await;
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let messages =
        [message("user", prompt), message("assistant", content(&first)), message("user", "Answer with a number.")];
    let reminded = json!({"model": "gpt-sim", "messages": messages}).to_string();
    let second = completion(client.post(reminded).await).await;
    assert!(content(&second).starts_with("Answer: "));
    assert_ne!(second["id"], first["id"]);
    let stats = client.stats().await;
    assert_eq!((stats.repeated_prompts, stats.calls["cognitive"]), (0, 2));
}

#[tokio::test]
async fn a_fixed_reply_is_always_the_same() {
    let client = Client::start(ProviderOptions { fixed_reply: Some(600), ..normal() }).await;
    let reply = client.ask_for_text(&question_prompts(1)[0]).await;
    assert_eq!((reply.len(), reply.starts_with("Answer: 1\nAnalysis: (simulated)")), (600, true));
    assert_eq!(client.ask_for_text("hello").await, reply);
}
