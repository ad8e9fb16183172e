//! Reads responses: chat completions in the shapes of OpenAI, DeepSeek, vLLM, llama.cpp and OpenRouter, and errors.

mod usage;

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use valuesim_shared::money::Tokens;

use super::error::{CallError, CallErrorKind, Complaint};
use usage::Usage;

/// How much of a provider's message is kept, in characters.
const MESSAGE_CHARACTERS: usize = 300;

/// A chat completion, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The model's words; empty where it gave none.
    pub content: String,
    /// Why it stopped.
    pub finish: Finish,
    /// Tokens as the provider counted them; none where it did not say.
    pub tokens: Option<Tokens>,
    /// The model as the provider names it.
    pub model: String,
}

/// Why a model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was done, or the provider does not say otherwise.
    Stop,
    /// The length limit cut it off.
    Length,
    /// It declined, or the provider's filter stopped it.
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

/// A message's content: text, null, or parts of which some are text.
fn content<'de, D: Deserializer<'de>>(content: D) -> Result<String, D::Error> {
    match Value::deserialize(content)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Array(parts) => Ok(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()),
        _ => Err(D::Error::custom("expected text, null or a list of parts")),
    }
}

/// The text of a body. Bytes that are not UTF-8 are replaced: a cut character is no reason to lose a reply.
pub(super) fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Reads the body of a response with status 200.
pub(super) fn completion(body: &str) -> Result<Reply, CallError> {
    // DeepSeek sends blank lines while a request waits for its turn.
    let body = body.trim();
    match serde_json::from_str::<Completion<'_>>(body) {
        Ok(completion) => reply(completion),
        Err(error) => peculiar(body).unwrap_or_else(|| Err(malformed(&error.to_string()))),
    }
}

/// Reads a completion whose usage is odd, or which was cut inside a character by a server that escapes all of them;
/// none where it is no completion for other reasons.
fn peculiar(text: &str) -> Option<Result<Reply, CallError>> {
    let mut all: Value = serde_json::from_str(&without_lone_surrogates(text)).ok()?;
    let usage = all.as_object_mut()?.remove("usage");
    let completion = Completion::deserialize(&all).ok()?;
    Some(reply(Completion { usage: usage.and_then(|usage| Usage::deserialize(usage).ok()), ..completion }))
}

/// Whether anything in a response looks like a model's work, good or bad, for which somebody may be charged.
pub(super) fn shows_a_models_work(body: &str) -> bool {
    let all: Option<Value> = serde_json::from_str(&without_lone_surrogates(body.trim())).ok();
    all.is_some_and(|all| all.get("choices").is_some() || all.get("usage").is_some())
}

fn reply(completion: Completion<'_>) -> Result<Reply, CallError> {
    if let Some(error) = completion.error.filter(|error| !error.is_null()) {
        return Err(refine(200, &error));
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
        model: completion.model.map(Cow::into_owned).unwrap_or_default(),
    })
}

/// JSON text with escapes of half a character (`\\ud83d` without its other half) replaced by U+FFFD's.
fn without_lone_surrogates(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, text) = match (escaped_unit(rest), escaped_unit(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, &rest[..12]),
            (Some(0xd800..=0xdfff), _) => (6, "\\ufffd"),
            // Any other escape: the backslash and what it escapes.
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

/// The UTF-16 unit that an escape at the beginning of `text` stands for.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// Reads the body of a response with another status: an error, a message, or else all of it.
pub(super) fn failure(status: u16, should_retry: Option<bool>, body: &str) -> CallError {
    let all: Value = serde_json::from_str(body.trim()).unwrap_or_default();
    let said = ["error", "message"].into_iter().filter_map(|field| all.get(field)).find(|value| !value.is_null());
    complain(status, should_retry, said.unwrap_or(&body.into()))
}

fn refine(status: u16, error: &Value) -> CallError {
    // OpenRouter puts the status that it would have sent into the error's code.
    let inner = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    complain(inner.filter(|code| (400..600).contains(code)).unwrap_or(status), None, error)
}

fn complain(status: u16, should_retry: Option<bool>, error: &Value) -> CallError {
    let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = error.as_str().unwrap_or_else(|| field("message"));
    let complaint = Complaint { status, code: field("code"), kind: field("type"), message, should_retry };
    CallError::new(complaint.kind(), Some(status), message)
}

fn malformed(reason: &str) -> CallError {
    CallError::new(CallErrorKind::Malformed, Some(200), reason)
}

/// A message in one short line without control characters; none where nothing is left.
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
    fn peculiar_completions_are_read() {
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
    fn half_a_character_is_replaced_and_whole_ones_stay() {
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
        check(r#"{"error":{"message":"No credits","code":402}}"#, CallErrorKind::NoMoney);
        check(r#"{"error":{"message":"Provider returned error","code":502}}"#, CallErrorKind::ServerFault);
        check(r#"{"error":"something"}"#, CallErrorKind::Malformed);
        check(r#"{"choices":[]}"#, CallErrorKind::Malformed);
        check("<html>It works!</html>", CallErrorKind::Malformed);
        check("", CallErrorKind::Malformed);
    }

    #[test]
    fn failures_are_read_in_all_shapes() {
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
