//! Writes a chat completion in the API's format.

use std::time::SystemTime;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::fault::{FinishReason, ReplyMessage};
use super::options::CacheRule;

/// The tokens of a call, as they are billed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallTokens {
    pub(crate) input: u64,
    pub(crate) cached_input: u64,
    pub(crate) output: u64,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: [Choice<'a>; 1],
    usage: Usage,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Answer<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Answer<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'static str>,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_miss_tokens: Option<u64>,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
}

impl Usage {
    /// The usage as a provider with this cache reports it.
    fn new(used: CallTokens, cache: CacheRule) -> Self {
        let is_deepseek = cache == CacheRule::DeepSeek;
        Self {
            prompt_tokens: used.input,
            completion_tokens: used.output,
            total_tokens: used.input + used.output,
            prompt_tokens_details: (!is_deepseek).then_some(PromptDetails { cached_tokens: used.cached_input }),
            prompt_cache_hit_tokens: is_deepseek.then_some(used.cached_input),
            prompt_cache_miss_tokens: is_deepseek.then_some(used.input - used.cached_input),
        }
    }
}

/// The body of a response. Only `created` depends on the time.
pub(crate) fn body(model: &str, digest: u128, message: &ReplyMessage, usage: (CallTokens, CacheRule)) -> Vec<u8> {
    let ReplyMessage { content, refusal, finish, .. } = message;
    let completion = Completion {
        id: format!("chatcmpl-sim-{digest:032x}"),
        object: "chat.completion",
        created: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        model,
        system_fingerprint: "valuesim-simulator",
        choices: [Choice {
            index: 0,
            message: Answer { role: "assistant", content: content.as_deref(), refusal: *refusal },
            logprobs: None,
            finish_reason: FinishReason::name(*finish),
        }],
        usage: Usage::new(usage.0, usage.1),
    };
    serde_json::to_vec(&completion).expect("texts and numbers can always be written")
}

/// A response with JSON.
pub(crate) fn json_response(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
