//! The simulated provider's limits.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use valuesim_simulator::provider::{CacheRule, ProviderOptions, TokenCount};

use crate::client::{Client, body, completion};

fn normal() -> ProviderOptions {
    ProviderOptions::default()
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn headers_report_limits_and_refusals_say_when_to_retry() {
    let options = ProviderOptions { requests_per_minute: Some(2), tokens_per_minute: Some(100_000), ..normal() };
    let client = Client::start(options).await;
    let first = client.respond("hello").await;
    assert_eq!(first.status(), 200);
    assert_eq!(header(&first, "x-ratelimit-limit-requests"), "2");
    assert_eq!(header(&first, "x-ratelimit-remaining-requests"), "1");
    assert_eq!(header(&first, "x-ratelimit-reset-requests"), "1m0s");
    assert_eq!(header(&first, "x-ratelimit-limit-tokens"), "100000");
    let used: Value = serde_json::from_slice(&first.bytes().await.unwrap()).unwrap();
    let left = 100_000 - used["usage"]["total_tokens"].as_u64().unwrap();
    let second = client.respond("good day").await;
    assert!(header(&second, "x-ratelimit-remaining-tokens").parse::<u64>().unwrap() < left);
    let refused = client.respond("are you there?").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "x-ratelimit-remaining-requests"), "0");
    let (seconds, ms) = (header(&refused, "retry-after"), header(&refused, "retry-after-ms"));
    assert!((50..=60).contains(&seconds.parse::<u64>().unwrap()), "{seconds}");
    assert!((50_000..=60_000).contains(&ms.parse::<u64>().unwrap()), "{ms}");
    let error: Value = serde_json::from_slice(&refused.bytes().await.unwrap()).unwrap();
    assert_eq!((&error["error"]["type"], &error["error"]["code"]), (&"requests".into(), &"rate_limit_exceeded".into()));
    let stats = client.stats().await;
    assert_eq!((stats.answered, stats.errors[&429], stats.calls["other"]), (2, 1, 3));
}

#[tokio::test]
async fn a_retry_on_time_is_admitted_and_no_window_exceeds_the_limit() {
    // 5 calls in any 300 ms.
    let window = Duration::from_millis(300);
    let options = ProviderOptions { requests_per_minute: Some(1000), window, ..normal() };
    let client = Arc::new(Client::start(options).await);
    let mut callers = JoinSet::new();
    for caller in 0..8 {
        let client = Arc::clone(&client);
        callers.spawn(async move {
            for call in 0..3 {
                loop {
                    let response = client.respond(&format!("caller {caller}, call {call}")).await;
                    if response.status() == 200 {
                        break;
                    }
                    let wait = header(&response, "retry-after-ms").parse().unwrap();
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
        });
    }
    callers.join_all().await;
    let stats = client.stats().await;
    assert_eq!((stats.answered, stats.windows.most_calls_in_window, stats.windows.window_ms), (24, 5, 300));
    assert!(stats.errors[&429] > 0);
    assert_eq!(stats.repeated_prompts, 0, "a refused prompt was not answered");
}

#[tokio::test]
async fn concurrent_calls_are_limited_and_counted() {
    let client = Arc::new(Client::start(ProviderOptions { max_in_flight: Some(3), ..normal() }).await);
    client.provider.pause_replies_after(0);
    let mut calls = JoinSet::new();
    for call in 0..10 {
        let client = Arc::clone(&client);
        calls.spawn(async move { client.respond(&format!("call {call}")).await.status().as_u16() });
    }
    let seven_are_refused = async {
        while client.stats().await.errors.get(&429) != Some(&7) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), seven_are_refused).await.expect("in time");
    client.provider.resume_replies();
    let mut statuses = calls.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429, 429, 429, 429, 429]);
    assert_eq!(client.stats().await.most_in_flight, 3);
}

#[tokio::test]
async fn limits_change_over_http_and_may_be_hidden() {
    let client = Client::start(ProviderOptions { requests_per_minute: Some(100), ..normal() }).await;
    let change = json!({"requests_per_minute": 1, "headers": false, "retry_after": false});
    let changed = client.post_to("/limits", change.to_string()).await;
    let in_force: Value = serde_json::from_slice(&changed.bytes().await.unwrap()).unwrap();
    assert_eq!((&in_force["requests_per_minute"], &in_force["rule"]), (&1.into(), &"sliding-window".into()));
    let (first, second) = (client.respond("hello").await, client.respond("good day").await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 429));
    for name in ["x-ratelimit-limit-requests", "retry-after", "retry-after-ms"] {
        assert!(!first.headers().contains_key(name) && !second.headers().contains_key(name), "{name}");
    }
    for absurd in [r#"{"requests_per_minute": 0}"#, r#"{"tokens_per_minute": -3}"#, r#"{"limit": 3}"#, "limits"] {
        assert_eq!(client.post_to("/limits", absurd).await.status(), 400, "{absurd}");
    }
    client.post_to("/limits", r#"{"requests_per_minute": null}"#).await;
    assert_eq!(client.respond("good day").await.status(), 200);
}

#[tokio::test]
async fn requested_tokens_count_where_they_do() {
    let options = ProviderOptions { tokens_per_minute: Some(1_000), token_count: TokenCount::Requested, ..normal() };
    let client = Client::start(options).await;
    let mut request = body("hello");
    request["max_tokens"] = 900.into();
    assert_eq!(client.post(request.to_string()).await.status(), 200);
    assert_eq!(client.post(request.to_string()).await.status(), 429, "although few tokens were used");
}

#[tokio::test]
async fn replicas_have_caches_of_their_own() {
    let cache = CacheRule::Vllm { block_tokens: 16 };
    let client = Client::start(ProviderOptions { replicas: 2, cache, ..normal() }).await;
    let prompt = "the same long beginning, ".repeat(20);
    let cached = async |path: &str| {
        let response = client.post_to(&format!("{path}/chat/completions"), body(&prompt).to_string()).await;
        completion(response).await["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!(cached("/replicas/0/v1").await, 0);
    assert_eq!(cached("/replicas/1/v1").await, 0, "the other replica has not seen it");
    assert!(cached("/replicas/0/v1").await > 0);
    assert_eq!(client.post_to("/replicas/2/v1/chat/completions", body("hello").to_string()).await.status(), 404);
}
