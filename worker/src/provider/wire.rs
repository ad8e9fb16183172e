//! Parses responses: chat completions and errors as OpenAI, DeepSeek, vLLM, llama.cpp and OpenRouter send them.

mod usage;
mod vectors;

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::permit::Stated;

use crate::call_cost::Billed;

use super::error::{CallError, CallErrorKind, ErrorDetails};
use usage::Usage;
pub use vectors::Vectors;
pub(super) use vectors::vectors;

/// Longer messages of a provider are cut to this length, in characters.
const MESSAGE_CHARACTERS: usize = 300;

/// Longer names of a model are cut to this length, in characters: they are kept with each cell.
const MODEL_NAME_CHARACTERS: usize = 200;

/// The parts of a chat completion that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The model's text; empty if there is none.
    pub content: String,
    /// Why it stopped.
    pub finish: Finish,
    /// The tokens that the provider counted; `None` if it reported none.
    pub tokens: Option<Tokens>,
    /// The provider's name for the model.
    pub model: String,
    /// What the call cost, if the provider says so.
    pub cost: Option<NanoUsd>,
    /// The service tier that the provider says it used, if it does.
    pub service_tier: Option<String>,
    /// The limits that the response states.
    pub stated: Stated,
}

impl Reply {
    /// What decides the cost of the call.
    pub(crate) fn billed(&self) -> Billed<'_> {
        Billed { tokens: self.tokens, cost: self.cost, service_tier: self.service_tier.as_deref() }
    }
}

/// Why a model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The text is complete, or the provider gives no other reason.
    Stop,
    /// The text reached the length limit.
    Length,
    /// The model declined, or the provider's filter stopped it.
    Refused,
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    service_tier: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default, deserialize_with = "content")]
    content: String,
    #[serde(borrow, default)]
    refusal: Option<Cow<'a, str>>,
}

/// The content of a message: text, null, or parts of which some are text.
fn content<'de, D: Deserializer<'de>>(content: D) -> Result<String, D::Error> {
    match Value::deserialize(content)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Array(parts) => Ok(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()),
        _ => Err(D::Error::custom("expected text, null or a list of parts")),
    }
}

/// The text of a body. Invalid UTF-8 is replaced, because a truncated character is no reason to lose a reply.
pub(super) fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Parses the body of a response with status 200.
pub(super) fn completion(body: &str) -> Result<Reply, CallError> {
    // DeepSeek sends blank lines while a request waits for its turn.
    let body = body.trim();
    match serde_json::from_str::<Completion<'_>>(body) {
        Ok(completion) => reply(completion),
        Err(error) => lenient(body).unwrap_or_else(|| Err(malformed(&error.to_string()))),
    }
}

/// Parses a completion with invalid usage, or one cut inside a surrogate pair by a server that escapes all characters.
/// `None` if it is no completion even so.
fn lenient(text: &str) -> Option<Result<Reply, CallError>> {
    let mut all: Value = serde_json::from_str(&without_lone_surrogates(text)).ok()?;
    let usage = all.as_object_mut()?.remove("usage");
    let completion = Completion::deserialize(&all).ok()?;
    Some(reply(Completion { usage: usage.and_then(|usage| Usage::deserialize(usage).ok()), ..completion }))
}

/// Whether a response has any sign of a model's work, which may be billed whether or not it can be used.
pub(super) fn shows_a_models_work(body: &str) -> bool {
    let all: Option<Value> = serde_json::from_str(&without_lone_surrogates(body.trim())).ok();
    all.is_some_and(|all| all.get("choices").is_some() || all.get("usage").is_some())
}

fn reply(completion: Completion<'_>) -> Result<Reply, CallError> {
    if let Some(error) = completion.error.filter(|error| !error.is_null()) {
        return Err(nested_error(200, &error));
    }
    let choice = completion.choices.and_then(|choices| choices.into_iter().next());
    let Some(Choice { message: Some(message), finish_reason }) = choice else {
        return Err(malformed("it has no choices[0].message"));
    };
    let refused = message.refusal.is_some_and(|refusal| !refusal.is_empty());
    let finish = match finish_reason.as_deref() {
        Some("content_filter") => Finish::Refused,
        _ if refused => Finish::Refused,
        Some("length") => Finish::Length,
        _ => Finish::Stop,
    };
    Ok(Reply {
        content: message.content,
        finish,
        tokens: completion.usage.as_ref().and_then(Usage::tokens),
        cost: completion.usage.as_ref().and_then(Usage::cost),
        service_tier: completion.service_tier.and_then(|tier| tier.as_str().map(str::to_owned)),
        model: completion.model.map(|name| name.chars().take(MODEL_NAME_CHARACTERS).collect()).unwrap_or_default(),
        stated: Stated::default(),
    })
}

/// JSON text with each escaped lone surrogate (`\\ud83d` without its other half) replaced by U+FFFD.
fn without_lone_surrogates(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, text) = match (escaped_unit(rest), escaped_unit(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, &rest[..12]),
            (Some(0xd800..=0xdfff), _) => (6, "\\ufffd"),
            // Any other escape: the backslash and the character after it.
            _ => {
                let length = rest.chars().take(2).map(char::len_utf8).sum();
                (length, &rest[..length])
            }
        };
        mended.push_str(text);
        rest = &rest[taken..];
    }
    mended + rest
}

/// The UTF-16 code unit of an escape at the beginning of `text`.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// Parses the body of a response with another status: its `error`, else its `message`, else the whole body.
pub(super) fn failure(status: u16, should_retry: Option<bool>, body: &str) -> CallError {
    let all: Value = serde_json::from_str(body.trim()).unwrap_or_default();
    let error = ["error", "message"].into_iter().filter_map(|field| all.get(field)).find(|value| !value.is_null());
    classify(status, should_retry, error.unwrap_or(&body.into()))
}

fn nested_error(status: u16, error: &Value) -> CallError {
    // OpenRouter puts the actual status into the error's code, even if the response has status 200.
    let inner = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    classify(inner.filter(|code| (400..600).contains(code)).unwrap_or(status), None, error)
}

fn classify(status: u16, should_retry: Option<bool>, error: &Value) -> CallError {
    let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = error.as_str().unwrap_or_else(|| field("message"));
    let details = ErrorDetails { status, code: field("code"), kind: field("type"), message, should_retry };
    let limited_by = details.limited_by();
    CallError { limited_by, ..CallError::new(details.kind(), Some(status), message) }
}

fn malformed(reason: &str) -> CallError {
    CallError::new(CallErrorKind::Malformed, Some(200), reason)
}

/// A message as one short line without control characters; `None` if nothing is left.
pub(super) fn readable(message: &str) -> Option<String> {
    let plain = message.chars().map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c });
    let line: String = plain.skip_while(|&c| c == ' ').take(MESSAGE_CHARACTERS).collect();
    let line = line.trim_end();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &str, content: &str, finish: Finish, expected: Option<Tokens>) {
        let reply = completion(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert_eq!((reply.content.as_str(), reply.finish, reply.tokens), (content, finish, expected), "{body}");
    }

    #[test]
    fn unusual_completions_are_parsed() {
        let bare = r#"{"choices":[{"message":{"content":"Answer: 1"}}]}"#;
        check(bare, "Answer: 1", Finish::Stop, None);
        check(&format!("\n\n\r\n{bare}\n"), "Answer: 1", Finish::Stop, None);
        check(r#"{"choices":[{"message":{"content":null},"finish_reason":"length"}]}"#, "", Finish::Length, None);
        check(
            r#"{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}"#,
            "",
            Finish::Refused,
            None,
        );
        check(r#"{"choices":[{"message":{"content":null,"refusal":"I cannot."}}]}"#, "", Finish::Refused, None);
        let parts =
            r#"{"choices":[{"message":{"content":[{"type":"text","text":"Answer: "},{"type":"text","text":"1"}]}}]}"#;
        check(parts, "Answer: 1", Finish::Stop, None);
        check(r#"{"error":null,"choices":[{"message":{"content":"1"}}]}"#, "1", Finish::Stop, None);
    }

    #[test]
    fn invalid_utf8_is_replaced_and_not_an_error() {
        let mut body = br#"{"choices":[{"message":{"content":"Answer: 1 "#.to_vec();
        body.extend_from_slice(b"\xff\xfe\"}}]}");
        let reply = completion(&text(body)).expect("reads");
        assert_eq!(reply.content, "Answer: 1 \u{fffd}\u{fffd}");
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_stay() {
        let check = |content: &str, expected: &str| {
            let body = format!(r#"{{"choices":[{{"message":{{"content":"{content}"}}}}]}}"#);
            assert_eq!(completion(&body).expect(content).content, expected);
        };
        check(r"Answer: 1 \ud83d", "Answer: 1 \u{fffd}");
        check(r"\ude00 \ud83d\ude00 \ud83d\ud83d\ude00", "\u{fffd} \u{1f600} \u{fffd}\u{1f600}");
        check(r"a \\ud83d \n \ud83d", "a \\ud83d \n \u{fffd}");
    }

    #[test]
    fn an_error_inside_a_200_is_an_error() {
        let check = |body: &str, expected| {
            assert_eq!(completion(body).expect_err(body).kind, expected, "{body}");
        };
        check(r#"{"error":{"message":"Rate limit exceeded","code":429}}"#, CallErrorKind::RateLimited);
        check(r#"{"error":{"message":"No credits","code":402}}"#, CallErrorKind::InsufficientFunds);
        check(r#"{"error":{"message":"Provider returned error","code":502}}"#, CallErrorKind::ServerFault);
        check(r#"{"error":"something"}"#, CallErrorKind::Malformed);
        check(r#"{"choices":[]}"#, CallErrorKind::Malformed);
        check("<html>It works!</html>", CallErrorKind::Malformed);
        check("", CallErrorKind::Malformed);
    }

    #[test]
    fn errors_of_all_shapes_are_parsed() {
        let check = |status, body: &str, kind, message: &str| {
            let error = failure(status, None, body);
            assert_eq!((error.kind, error.message.as_deref()), (kind, Some(message)), "{body}");
        };
        let openai = r#"{"error":{"message":"Incorrect API key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
        check(401, openai, CallErrorKind::WrongKey, "Incorrect API key");
        let vllm = r#"{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","param":"model","code":404}}"#;
        check(404, vllm, CallErrorKind::UnknownModel, "The model `x` does not exist.");
        check(502, "<html>\n<b>Bad gateway\u{1b}[2J</b>", CallErrorKind::ServerFault, "<html> <b>Bad gateway [2J</b>");
        check(400, r#"{"error":"model is required"}"#, CallErrorKind::BadRequest, "model is required");
        check(500, r#"{"message":"oops"}"#, CallErrorKind::ServerFault, "oops");
    }

    #[test]
    fn long_messages_are_cut() {
        let error = failure(500, None, &"é".repeat(9_000));
        assert_eq!(error.message.expect("some").chars().count(), MESSAGE_CHARACTERS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let body = text(body);
            let _ = completion(&body);
            let _ = failure(500, None, &body);
        }

        #[test]
        fn any_json_is_read_or_refused(content in any::<String>(), tokens in any::<u64>()) {
            let body = serde_json::json!({"choices": [{"message": {"content": content}}], "usage": {"prompt_tokens": tokens}});
            let reply = completion(&body.to_string()).expect("reads");
            prop_assert_eq!(reply.content, content);
        }
    }
}
