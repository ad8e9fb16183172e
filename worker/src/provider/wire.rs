//! Parses responses: chat completions and errors as OpenAI, DeepSeek, vLLM, llama.cpp and OpenRouter send them.

mod errors;
mod message;
mod usage;
mod vectors;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use valuesim_shared::model::is_plain;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::permit::Stated;
use valuesim_shared::provider_errors::{FinishReason, ProviderErrors};

use crate::call_cost::Billed;

use super::error::{CallError, CallErrorKind};
use super::one_line::readable;
use errors::nested_error;
pub(super) use errors::{failure, malformed};
pub(crate) use message::EMPTY_BESIDE_REASONING;
use message::Message;
use usage::Usage;
pub use vectors::Vectors;
pub(super) use vectors::vectors;

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
    /// What is odd about it, for the report: a reason of ending that is not known, or a text that is empty.
    pub oddity: Option<String>,
    /// The limits that the response states.
    pub stated: Stated,
}

impl Reply {
    /// What decides the cost of the call.
    pub(crate) fn billed(&self) -> Billed<'_> {
        Billed {
            tokens: self.tokens,
            cost: self.cost,
            service_tier: self.service_tier.as_deref(),
            model: Some(self.model.as_str()),
        }
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
    #[serde(borrow, default, deserialize_with = "message::first")]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    service_tier: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
    /// Where a server completes text instead of chatting.
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    /// OpenRouter: what went wrong at the provider behind it.
    error: Option<Value>,
}

/// The text of a body. Invalid UTF-8 is replaced, because a truncated character is no reason to lose a reply.
pub(super) fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Parses the body of a response with status 200.
pub(super) fn completion(body: &str) -> Result<Reply, CallError> {
    let body = without_padding(body);
    match serde_json::from_str::<Completion<'_>>(body) {
        Ok(completion) => reply(completion, body),
        Err(error) => match lenient(body) {
            Some(read) => read,
            None => Err(errors::in_a_list(body).unwrap_or_else(|| malformed(&error.to_string()))),
        },
    }
}

/// A body without what comes around it: blank lines and comments, which DeepSeek and OpenRouter send while a request waits for
/// its turn, and a byte order mark.
pub(super) fn without_padding(body: &str) -> &str {
    let mut rest = body.trim().trim_start_matches('\u{feff}').trim_start();
    while rest.starts_with(':') {
        rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
    }
    rest
}

/// Parses a completion with invalid usage, or one cut inside a surrogate pair by a server that escapes all characters.
/// `None` if it is no completion even so.
fn lenient(text: &str) -> Option<Result<Reply, CallError>> {
    let mut all: Value = serde_json::from_str(&without_lone_surrogates(text)).ok()?;
    let usage = all.as_object_mut()?.remove("usage");
    let completion = Completion::deserialize(&all).ok()?;
    Some(reply(Completion { usage: usage.and_then(|usage| Usage::deserialize(usage).ok()), ..completion }, text))
}

/// Whether a response has any sign of a model's work, which may be billed whether or not it can be used.
pub(super) fn shows_a_models_work(body: &str) -> bool {
    let all: Option<Value> = serde_json::from_str(&without_lone_surrogates(body.trim())).ok();
    all.is_some_and(|all| all.get("choices").is_some() || all.get("usage").is_some())
}

fn reply(completion: Completion<'_>, body: &str) -> Result<Reply, CallError> {
    if let Some(error) = completion.error.filter(|error| !error.is_null()) {
        return Err(nested_error(200, &error));
    }
    let Some(choices) = completion.choices else { return Err(errors::without_choices(body)) };
    let choice = choices.into_iter().next();
    let Choice { message, finish_reason, text, error } = choice.unwrap_or_else(Choice::nothing);
    if let Some(error) = error.filter(|error| !error.is_null()) {
        return Err(nested_error(200, &error));
    }
    let message = message.unwrap_or_else(|| Message::of_text(text));
    let reason = finish_reason.as_deref().unwrap_or_default();
    let says = ProviderErrors::built_in().finish_reason(reason);
    let finish = match says {
        FinishReason::Interrupted => return Err(interrupted(reason)),
        FinishReason::Refused => Finish::Refused,
        _ if message.is_refusal() => Finish::Refused,
        FinishReason::CutOff => Finish::Length,
        FinishReason::Whole | FinishReason::Unknown => Finish::Stop,
    };
    let oddity = match says {
        FinishReason::Unknown => readable(&format!("finish_reason {reason:?} is not known")),
        _ => message.oddity().map(str::to_owned),
    };
    Ok(Reply {
        content: message.content,
        finish,
        tokens: completion.usage.as_ref().and_then(Usage::tokens),
        cost: completion.usage.as_ref().and_then(Usage::cost),
        service_tier: completion.service_tier.and_then(|tier| tier.as_str().map(str::to_owned)),
        model: completion.model.as_deref().map(model_name).unwrap_or_default(),
        oddity,
        stated: Stated::default(),
    })
}

impl Choice<'_> {
    /// What an empty list of choices comes to: Azure sends one where its filter took the reply out.
    fn nothing() -> Self {
        Self { finish_reason: Some("content_filter".into()), ..Self::default() }
    }
}

fn interrupted(reason: &str) -> CallError {
    CallError::new(CallErrorKind::Interrupted, Some(200), &format!("finish_reason {reason:?}"))
}

/// The name that a provider gives its model, which results and reports repeat: on one line, without control characters, and not
/// longer than names are.
fn model_name(name: &str) -> String {
    let plain = |c: char| if is_plain(c.encode_utf8(&mut [0; 4])) { c } else { char::REPLACEMENT_CHARACTER };
    name.chars().take(MODEL_NAME_CHARACTERS).map(plain).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::one_line::MESSAGE_CHARACTERS;
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
    fn a_choice_may_lack_its_message_and_a_list_its_choices() {
        check(r#"{"choices":[{"index":0,"finish_reason":"length"}]}"#, "", Finish::Length, None);
        check(r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#, "", Finish::Stop, None);
        check(r#"{"choices":[{"text":"Answer: 1"}]}"#, "Answer: 1", Finish::Stop, None);
        check(r#"{"choices":[]}"#, "", Finish::Refused, None);
        check(": OPENROUTER PROCESSING\n\n{\"choices\":[]}", "", Finish::Refused, None);
    }

    #[test]
    fn half_a_text_is_never_a_whole_one() {
        for reason in ["error", "insufficient_system_resource", "abort", "network_error"] {
            let body = format!(r#"{{"choices":[{{"finish_reason":"{reason}","message":{{"content":"They grew"}}}}]}}"#);
            let error = completion(&body).expect_err(reason);
            assert!(error.kind == CallErrorKind::Interrupted && error.kind.perhaps_billed(), "{error}");
        }
    }

    #[test]
    fn what_is_odd_about_a_reply_is_said() {
        let check = |choice: &str, expected: Option<&str>| {
            let reply = completion(&format!(r#"{{"choices":[{choice}]}}"#)).expect(choice);
            assert_eq!(reply.oddity.as_deref(), expected, "{choice}");
        };
        check(r#"{"finish_reason":"stop","message":{"content":"1"}}"#, None);
        let unknown = r#"{"finish_reason":"of_a_new_kind","message":{"content":"1"}}"#;
        check(unknown, Some("finish_reason \"of_a_new_kind\" is not known"));
        for field in ["reasoning_content", "reasoning"] {
            let hidden = format!(r#"{{"finish_reason":"stop","message":{{"content":null,"{field}":"Answer: 1"}}}}"#);
            check(&hidden, Some(EMPTY_BESIDE_REASONING));
        }
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
        check(r#"{"object":"x"}"#, CallErrorKind::Malformed);
        check(r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#, CallErrorKind::RateLimited);
        check(r#"{"object":"error","message":"m","code":503}"#, CallErrorKind::Overloaded);
        check(r#"{"choices":[{"error":{"code":502,"message":"m"}}]}"#, CallErrorKind::ServerFault);
        check("<!DOCTYPE html><html></html>", CallErrorKind::Malformed);
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
        let gemini = r#"[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]"#;
        check(400, gemini, CallErrorKind::BadRequest, "no");
        check(422, r#"{"detail":"unprocessable"}"#, CallErrorKind::BadRequest, "unprocessable");
        check(422, r#"{"detail":[{"loc":["body"],"msg":"too bad"}]}"#, CallErrorKind::BadRequest, "too bad");
        let sglang = r#"{"object":"error","message":"longer than the model s context length","type":"BadRequestError","code":400}"#;
        check(400, sglang, CallErrorKind::TooLong, "longer than the model s context length");
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
