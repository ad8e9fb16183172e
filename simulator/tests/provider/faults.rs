//! The simulated provider with faults, defective replies and a cache.

use std::sync::Arc;

use serde_json::Value;
use valuesim_simulator::provider::{CacheRule, ProviderOptions};

use crate::client::{Client, body, content};

fn normal() -> ProviderOptions {
    ProviderOptions::default()
}

#[tokio::test]
async fn faults_happen_and_a_retry_succeeds() {
    let options = ProviderOptions { error_rate: 0.3, cut_rate: 0.3, ..normal() };
    let client = Client::start(options).await;
    let mut tries = 0;
    for prompt in 0..60 {
        loop {
            tries += 1;
            let response = client.try_post(body(&format!("prompt {prompt}")).to_string(), "any").await;
            let Ok(response) = response else { continue };
            let (status, bytes) = (response.status().as_u16(), response.bytes().await);
            match (status, bytes) {
                (200, Ok(bytes)) => {
                    let reply: Value = serde_json::from_slice(&bytes).unwrap();
                    assert!(content(&reply).contains("simulated"));
                    break;
                }
                (200, Err(_)) | (500 | 503, Ok(_)) => {}
                (status, bytes) => panic!("{status} {bytes:?}"),
            }
        }
        assert!(tries < 1000);
    }
    let stats = client.stats().await;
    let errors: u64 = stats.errors.values().sum();
    assert_eq!((stats.answered, stats.repeated_prompts), (60, 0));
    assert_eq!(stats.answered + stats.cut + errors, tries);
    assert!(stats.cut > 5 && errors > 5 && stats.tokens.lost > 0, "{stats:?}");
}

#[tokio::test]
async fn a_hanging_call_ends_when_the_client_or_the_provider_stops() {
    let client = Arc::new(Client::start(ProviderOptions { hang_rate: 1.0, ..normal() }).await);
    let call = |text: &'static str| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.respond(text).await.status().as_u16() })
    };
    let impatient = call("hello");
    while client.stats().await.hung == 0 {
        tokio::task::yield_now().await;
    }
    impatient.abort();
    impatient.await.unwrap_err();
    while client.stats().await.abandoned == 0 {
        tokio::task::yield_now().await;
    }
    let stats = client.stats().await;
    assert_eq!((stats.hung, stats.in_flight, stats.answered), (1, 0, 0));
    let waiting = call("hello again");
    while client.stats().await.hung < 2 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    waiting.await.unwrap_err();
    Arc::into_inner(client).unwrap().provider.stop().await;
}

#[tokio::test]
async fn defective_replies_are_reproducible() {
    let options = ProviderOptions { malformed_rate: 0.3, truncated_rate: 0.3, refusal_rate: 0.3, ..normal() };
    let client = Client::start(options).await;
    let mut finish_reasons = Vec::new();
    for prompt in 0..60 {
        let [first, second] = [client.ask(&prompt.to_string()).await, client.ask(&prompt.to_string()).await];
        assert_eq!(first["choices"], second["choices"]);
        finish_reasons.push(first["choices"][0]["finish_reason"].as_str().unwrap().to_owned());
    }
    for reason in ["stop", "length", "content_filter"] {
        assert!(finish_reasons.iter().any(|finish| finish == reason), "{reason}");
    }
    let stats = client.stats().await;
    assert!([stats.malformed, stats.truncated, stats.refused].iter().all(|&count| count > 10), "{stats:?}");
}

#[tokio::test]
async fn cached_tokens_are_reported_in_the_fields_of_vllm_and_deepseek() {
    let shared = "word ".repeat(400);
    let usages = async |cache| {
        let client = Client::start(ProviderOptions { cache, ..normal() }).await;
        let mut usages = Vec::new();
        for end in ["one", "two", "three"] {
            usages.push(client.ask(&format!("{shared}{end}")).await["usage"].clone());
        }
        (usages, client.stats().await.tokens)
    };
    // 2000 bytes at 4.6 per token: 434 whole tokens, 27 blocks of 16, 6 of 64.
    let (vllm, tokens) = usages(CacheRule::Vllm { block_tokens: 16 }).await;
    let cached: Vec<_> = vllm.iter().map(|usage| usage["prompt_tokens_details"]["cached_tokens"].as_u64()).collect();
    assert_eq!(cached, [Some(0), Some(432), Some(432)]);
    assert_eq!(tokens.cached_input, 864);
    assert!((tokens.cached_share - 864.0 / tokens.input as f64).abs() < 1e-12);
    let (deepseek, _) = usages(CacheRule::DeepSeek).await;
    for (usage, hit) in deepseek.iter().zip([0, 0, 384]) {
        assert_eq!(usage["prompt_cache_hit_tokens"], hit);
        let sum = hit + usage["prompt_cache_miss_tokens"].as_u64().unwrap();
        assert_eq!(usage["prompt_tokens"], sum);
        assert!(usage.get("prompt_tokens_details").is_none());
    }
}

#[tokio::test]
async fn a_provider_with_invalid_options_does_not_start() {
    let options = ProviderOptions { error_rate: 2.0, ..normal() };
    let codebook = Arc::new(valuesim_shared::codebook::Codebook::built_in());
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let error = valuesim_simulator::provider::Provider::start(listen, options, codebook).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "error_rate is 2: expected a share from 0 to 1");
}
