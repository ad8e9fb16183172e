//! Parses a chat completion request, and reports what is wrong with it.

use std::borrow::Cow;

use serde::Deserialize;

use super::api_error::ApiError;
use crate::person::{Conversation, Message};

/// The relevant fields of a request; all others (temperature, seed, user) are ignored.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    messages: Option<Vec<Message<'a>>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stream: Option<bool>,
    n: Option<u64>,
    #[serde(borrow)]
    prompt_cache_key: Option<Cow<'a, str>>,
}

/// A valid request.
#[derive(Debug)]
pub(crate) struct ChatRequest<'a> {
    /// The model and the messages.
    pub(crate) conversation: Conversation<'a>,
    /// The maximum tokens of the reply.
    pub(crate) max_tokens: Option<u64>,
    /// What requests with the same beginning have in common, for routing.
    pub(crate) prompt_cache_key: Option<Cow<'a, str>>,
}

/// Parses the body of a request. Borrows texts from it where they contain no JSON escapes.
pub(crate) fn parse(body: &[u8]) -> Result<ChatRequest<'_>, ApiError> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|error| ApiError::Unreadable(error.to_string()))?;
    if body.stream == Some(true) {
        return Err(ApiError::Unsupported { param: "stream", hint: "this simulated provider does not stream" });
    }
    if body.n.is_some_and(|n| n != 1) {
        return Err(ApiError::Unsupported { param: "n", hint: "this simulated provider makes one choice" });
    }
    let max_tokens = body.max_completion_tokens.or(body.max_tokens);
    if max_tokens == Some(0) {
        return Err(ApiError::Unsupported { param: "max_tokens", hint: "expected at least 1" });
    }
    let model = body.model.filter(|model| !model.is_empty()).ok_or(ApiError::Missing("model"))?;
    let messages = body.messages.filter(|messages| !messages.is_empty()).ok_or(ApiError::Missing("messages"))?;
    let prompt_cache_key = body.prompt_cache_key;
    Ok(ChatRequest { conversation: Conversation { model, messages }, max_tokens, prompt_cache_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let read = parse(body.as_bytes()).map(|request| format!("{request:?}")).map_err(|error| error.to_string());
        let text = read.unwrap_or_else(|error| error);
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn invalid_requests_are_refused_with_the_name_of_the_field() {
        let hello = r#""messages":[{"role":"user","content":"hello"}]"#;
        check(&format!(r#"{{"model":"m",{hello},"temperature":0}}"#), r#"content: "hello""#);
        check(&format!(r#"{{"model":"m",{hello},"max_tokens":3}}"#), "max_tokens: Some(3)");
        check(&format!(r#"{{"model":"m",{hello},"max_tokens":3,"max_completion_tokens":4}}"#), "max_tokens: Some(4)");
        check(&format!(r#"{{"model":"m",{hello},"max_tokens":0}}"#), "'max_tokens'");
        check(&format!(r#"{{"model":"m",{hello},"stream":true}}"#), "'stream'");
        check(&format!(r#"{{"model":"m",{hello},"n":2}}"#), "'n'");
        check(&format!("{{{hello}}}"), "'model'");
        check(r#"{"model":"m"}"#, "'messages'");
        check(r#"{"model":"m","messages":[]}"#, "'messages'");
        check(r#"{"model":"m","messages":"hello"}"#, "body");
        check("{", "body");
        check("", "body");
    }

    #[test]
    fn content_may_be_text_null_or_parts() {
        let parts = r#"[{"type":"text","text":"he"},{"type":"text","text":"llo\n"}]"#;
        for (content, expected) in [(parts, r#"content: "hello\n""#), ("null", r#"content: """#)] {
            check(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#), expected);
        }
    }
}
