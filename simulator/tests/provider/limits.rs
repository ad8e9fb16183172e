//! The simulated provider's limits.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use valuesim_simulator::provider::ProviderOptions;

use crate::client::Client;

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
