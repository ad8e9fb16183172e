//! Fuzz tests: whatever a provider sends is a reply or an error, and asks for a bounded wait.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::sample::select;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use valuesim_shared::money::Tokens;
use valuesim_shared::price::{Price, PricedCall};
use valuesim_shared::provider_errors::ProviderErrors;

use super::headers;
use super::wire::{completion, failure, text, vectors};

#[path = "../../../shared/tests/fuzz/bounds.rs"]
pub(super) mod bounds;
#[path = "../../../shared/tests/fuzz/mutate.rs"]
pub(super) mod mutate;

use bounds::{HOSTILE_BYTES, Memory, bounded, fuzz};
use mutate::{endless, hostile, hostile_text, listed};

/// JSON arrays inside an error need most: each value takes two bytes in the body and far more in memory.
const MEMORY: Memory = Memory { fixed: 16 << 10, per_byte: 64 };

const COMPLETIONS: [&str; 9] = [
    r#"{"id":"c1","object":"chat.completion","model":"m-0125","choices":[{"index":0,"message":{"role":"assistant","content":"Answer: 2","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2000,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":1024}}}"#,
    r#"{"choices":[{"message":{"content":null,"refusal":"I cannot."},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"prompt_cache_hit_tokens":4}}"#,
    r#"{"choices":[{"message":{"content":[{"type":"text","text":"Answer: "},{"type":"text","text":"1"}]}}],"error":null}"#,
    r#"{"error":{"message":"Rate limit exceeded","type":"requests","param":null,"code":429}}"#,
    r#"{"error":"model is required","message":"oops"}"#,
    r#"{"choices":[{"index":0,"finish_reason":"insufficient_system_resource","message":{"content":"They grew"}}]}"#,
    r#"{"choices":[{"text":"Answer: 2","finish_reason":"stop"}],"usage":{"input_tokens":9,"output_tokens":4,"cache_read_input_tokens":3}}"#,
    r#"[{"error":{"code":429,"message":"on tokens per minute (TPM): Limit 6000, Requested 7000","status":"RESOURCE_EXHAUSTED"}}]"#,
    r#"{"error":{"message":"maximum context length of 8192 tokens (3000 in the messages, 8000 in the completion)","param":"max_tokens"}}"#,
];

fn read(status: u16, body: &[u8]) {
    let text = text(body.to_vec());
    // Read once for all bodies.
    let _ = ProviderErrors::built_in();
    let (reply, error) = bounded(body.len(), MEMORY, || (completion(&text), failure(status, None, &text)));
    for error in reply.as_ref().err().into_iter().chain([&error]) {
        let message = error.message.as_deref().unwrap_or("something");
        assert!(!message.is_empty() && message.chars().count() <= 300 && !message.contains(char::is_control));
    }
    let Some(tokens) = reply.ok().and_then(|reply| reply.tokens) else { return };
    assert!(tokens.cached <= tokens.input);
    let price = Price::flat(1e6, Some(0.1), 1e6);
    let call = PricedCall::at(std::time::UNIX_EPOCH);
    let mut sum = Tokens::default();
    for _ in 0..3 {
        sum += tokens;
        assert!(price.cost(sum, call) >= price.cost(tokens, call), "a sum of {tokens:?} wraps");
    }
}

const EMBEDDINGS: [&str; 3] = [
    r#"{"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.5,-1e-3]},{"object":"embedding","index":0,"embedding":[1,2]}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
    r#"{"data":[{"embedding":[0.25]},{"embedding":[null]}],"error":null}"#,
    r#"{"data":[{"embedding":"AACAPw=="},{"index":1,"embedding":[1e300,1e999]}]}"#,
];

#[test]
fn fuzz_any_body_is_vectors_that_can_be_compared_or_an_error() {
    let bodies = hostile(EMBEDDINGS.map(|body| body.as_bytes().to_vec()).to_vec());
    fuzz(1, &bodies, |body| {
        let text = text(body.clone());
        let Ok(read) = bounded(body.len(), MEMORY, || vectors(&text, 2)) else { return };
        let [one, other] = read.vectors.as_slice() else { panic!("{} vectors for two texts", read.vectors.len()) };
        assert!(!one.is_empty() && one.len() == other.len());
        let length = |vector: &[f64]| vector.iter().map(|number| number * number).sum::<f64>();
        assert!([one, other].iter().all(|vector| length(vector).is_finite() && length(vector) > 0.0));
    });
}

#[test]
fn fuzz_any_body_is_a_reply_or_an_error() {
    let bodies = hostile(COMPLETIONS.map(|body| body.as_bytes().to_vec()).to_vec());
    fuzz(1, &(100..600_u16, bodies), |(status, body)| read(status, &body));
}

#[test]
fn fuzz_bodies_that_repeat_take_no_longer_than_others() {
    let starts = ["", r#"{"error":"#, r#"{"choices":[{"message":{"content":["#, r#"{"choices":["#, r#"{"usage":{"a":"#];
    let units = ["[", "{\"a\":", "[0,", "0,", "\"", "\\u0000", " ", "\n", "\u{a0}", "\0", "{},", "\"a\",", "x"];
    for (start, unit) in starts.iter().flat_map(|start| units.map(|unit| (start, unit))) {
        read(200, format!("{start}{}", endless(unit, HOSTILE_BYTES)).as_bytes());
    }
    read(500, &[0xff].repeat(HOSTILE_BYTES));
    let fields = listed(0..HOSTILE_BYTES / 12, |at| format!("\"{at}\":0,"));
    read(400, format!("{{\"error\":{{{fields}\"code\":0}}}}").as_bytes());
}

fn wait_of(headers: &[(&'static str, &[u8])]) -> Option<Duration> {
    let known = headers
        .iter()
        .filter_map(|&(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?)));
    let headers: HeaderMap = known.collect();
    let bytes = headers.values().map(HeaderValue::len).sum();
    let _ = headers::should_retry(&headers);
    bounded(bytes, MEMORY, || headers::retry_after(&headers, SystemTime::UNIX_EPOCH))
}

/// Waits as providers write them, with numbers of any size.
fn duration() -> impl Strategy<Value = String> {
    let number =
        prop_oneof![any::<u64>().prop_map(|n| n.to_string()), "[0-9.]{0,24}", (0..99_u8).prop_map(|n| n.to_string())];
    let part = (number, select(&["ms", "s", "m", "h", "d", ""][..]));
    prop::collection::vec(part, 0..5).prop_map(|parts| {
        parts.iter().fold(String::new(), |mut text, (number, unit)| {
            write!(text, "{number}{unit}").expect("a text takes everything");
            text
        })
    })
}

const WAITS: [&str; 4] = ["retry-after-ms", "retry-after", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"];

#[test]
fn fuzz_any_headers_give_a_bounded_wait() {
    let valid = ["1500", "0.5", "Sun, 06 Nov 2094 08:49:47 GMT", "6m0s", "1h2m3.5s", "inf", "1e300", "true"];
    let values = prop_oneof![duration(), hostile_text(&valid)];
    fuzz(1, &(select(&WAITS[..]), values), |(name, value)| {
        let used_up: &[u8] = b"0";
        let remaining = ["x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"].map(|name| (name, used_up));
        let wait = wait_of(&[(name, value.as_bytes()), remaining[0], remaining[1]]);
        assert!(wait.is_none_or(|wait| wait <= Duration::from_mins(10)), "{wait:?}");
    });
}

#[test]
fn fuzz_headers_that_repeat_take_no_longer_than_others() {
    for unit in ["1", "1ms", "1h", "9999999999999999999s", ".", " ", "m"] {
        for name in ["retry-after-ms", "retry-after", "x-ratelimit-reset-tokens"] {
            let value = endless(unit, HOSTILE_BYTES);
            wait_of(&[(name, value.as_bytes()), ("x-ratelimit-remaining-tokens", b"0")]);
        }
    }
}
