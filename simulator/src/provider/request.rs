//! Reads a chat completion request, and says what is wrong with one.

use std::borrow::Cow;

use serde::Deserialize;

use super::problem::Problem;
use crate::person::{Conversation, Message};

/// The fields of a request that matter here; what else there is (temperature, seed, user) changes nothing.
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
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The model and the messages.
    pub(crate) conversation: Conversation<'a>,
    /// The most tokens of the reply.
    pub(crate) most_tokens: Option<u64>,
}

/// Reads the body of a request. The texts are borrowed from it where JSON's escapes allow.
pub(crate) fn read(body: &[u8]) -> Result<Asked<'_>, Problem> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|error| Problem::Unreadable(error.to_string()))?;
    if body.stream == Some(true) {
        return Err(Problem::Unsupported { param: "stream", hint: "this simulated provider does not stream" });
    }
    if body.n.is_some_and(|n| n != 1) {
        return Err(Problem::Unsupported { param: "n", hint: "this simulated provider makes one choice" });
    }
    let most_tokens = body.max_completion_tokens.or(body.max_tokens);
    if most_tokens == Some(0) {
        return Err(Problem::Unsupported { param: "max_tokens", hint: "expected at least 1" });
    }
    let model = body.model.filter(|model| !model.is_empty()).ok_or(Problem::Missing("model"))?;
    let messages = body.messages.filter(|messages| !messages.is_empty()).ok_or(Problem::Missing("messages"))?;
    Ok(Asked { conversation: Conversation { model, messages }, most_tokens })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let read = read(body.as_bytes()).map(|asked| format!("{asked:?}")).map_err(|problem| problem.to_string());
        let text = read.unwrap_or_else(|problem| problem);
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn requests_are_read_or_refused_with_the_field_that_is_wrong() {
        let hello = r#""messages":[{"role":"user","content":"hello"}]"#;
        check(&format!(r#"{{"model":"m",{hello},"temperature":0}}"#), r#"content: "hello""#);
        check(&format!(r#"{{"model":"m",{hello},"max_tokens":3}}"#), "most_tokens: Some(3)");
        check(&format!(r#"{{"model":"m",{hello},"max_tokens":3,"max_completion_tokens":4}}"#), "most_tokens: Some(4)");
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
    fn content_may_be_a_text_null_or_parts() {
        let parts = r#"[{"type":"text","text":"he"},{"type":"text","text":"llo\n"}]"#;
        for (content, expected) in [(parts, r#"content: "hello\n""#), ("null", r#"content: """#)] {
            check(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#), expected);
        }
    }
}
