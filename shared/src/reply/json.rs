//! Reads replies that are or contain a JSON object with the answer.

use serde_json::{Map, Value};

/// The fields read from a JSON object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonReply {
    /// The answer field, as text.
    pub(super) answer: String,
    /// The analysis field; empty if there is none.
    pub(super) analysis: String,
}

/// Reads the first JSON object of a reply; `None` if it has no answer or is not valid JSON.
pub(super) fn read_json(text: &str) -> Option<JsonReply> {
    let object = &text[text.find('{')?..];
    let fields: Map<String, Value> = serde_json::Deserializer::from_str(object).into_iter().next()?.ok()?;
    let answer = as_text(field(&fields, &["final_answer", "answer", "option", "choice"])?)?;
    let analysis = field(&fields, &["analysis", "reasoning", "explanation", "rationale"]).and_then(as_text);
    Some(JsonReply { answer, analysis: analysis.unwrap_or_default() })
}

fn field<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    let named = |name: &&str| fields.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    names.iter().find_map(named).map(|(_, value)| value)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => match &items[..] {
            [only] => as_text(only),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_an_answer_is_found() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let read = read_json(text).map(|reply| (reply.answer, reply.analysis));
            assert_eq!(read, expected.map(|(answer, analysis)| (answer.to_owned(), analysis.to_owned())), "{text}");
        };
        check(r#"{"answer": 2, "analysis": " a \"b\" "}"#, Some(("2", "a \"b\"")));
        check("```json\n{\"Answer\": [\"2: Yes\"]}\n```", Some(("2: Yes", "")));
        check(r#"{"reasoning": "r", "final_answer": 0} and more"#, Some(("0", "r")));
        check(r#"{"answer": 2, "analysis": "not closed"#, None);
        check(r#"{"value": 2}"#, None);
        check(r#"{"answer": {"a": 1}}"#, None);
        check("no object", None);
    }
}
