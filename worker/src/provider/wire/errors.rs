//! Parses the errors in responses, in all the places where providers put them.

use serde_json::Value;

use super::super::classify::ErrorDetails;
use super::super::error::{CallError, CallErrorKind};
use super::super::one_line::shortened;
use super::without_padding;

/// Longer codes of a provider are cut to this length, in characters.
const CODE_CHARACTERS: usize = 60;

/// Parses the body of a response with another status than 200.
pub(in super::super) fn failure(status: u16, should_retry: Option<bool>, body: &str) -> CallError {
    let all: Value = serde_json::from_str(without_padding(body)).unwrap_or_default();
    classify(status, should_retry, inside(&all).unwrap_or(&body.into()))
}

/// The error in a response that has no choices.
pub(super) fn without_choices(body: &str) -> CallError {
    let all: Value = serde_json::from_str(body).unwrap_or_default();
    // vLLM and SGLang call an error so.
    let is_error = all.get("object").and_then(Value::as_str) == Some("error");
    match inside(&all).filter(|_| is_error) {
        Some(error) => nested_error(200, error),
        None => malformed("it has no choices[0].message"),
    }
}

/// The error in a response with status 200 that is a list: Gemini wraps errors so.
pub(super) fn in_a_list(body: &str) -> Option<CallError> {
    let all: Value = serde_json::from_str(body).ok()?;
    let first = all.as_array()?.first()?;
    let error = first.get("error").filter(|error| !error.is_null())?;
    Some(nested_error(200, error))
}

/// The part of a response that describes the error: `error`, else the whole if it has a `message`, else
/// `detail`, as of servers made with `FastAPI`.
fn inside(all: &Value) -> Option<&Value> {
    let all = all.as_array().and_then(|list| list.first()).unwrap_or(all);
    let field = |name: &str| all.get(name).filter(|value| !value.is_null());
    if let Some(error) = field("error") {
        return Some(error);
    }
    if field("message").is_some() {
        return Some(all);
    }
    let detail = field("detail")?;
    Some(detail.get(0).and_then(|first| first.get("msg")).unwrap_or(detail))
}

pub(super) fn nested_error(status: u16, error: &Value) -> CallError {
    // OpenRouter puts the actual status into the error's code, even if the response has status 200.
    let inner = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    classify(inner.filter(|code| (400..600).contains(code)).unwrap_or(status), None, error)
}

fn classify(status: u16, should_retry: Option<bool>, error: &Value) -> CallError {
    let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = error.as_str().unwrap_or_else(|| field("message"));
    let (code, kind) = (field("code"), if field("type").is_empty() { field("status") } else { field("type") });
    let details = ErrorDetails { status, code, kind, param: field("param"), message, should_retry };
    let limited_by = details.limited_by();
    let code = if code.is_empty() { kind } else { code };
    let code = shortened(code, CODE_CHARACTERS).map(String::into_boxed_str);
    CallError { code, limited_by, ..CallError::new(details.kind(), Some(status), message) }
}

pub(in super::super) fn malformed(reason: &str) -> CallError {
    CallError::new(CallErrorKind::Malformed, Some(200), reason)
}
