//! The message of a choice: its text, in whatever form it comes, and what comes beside it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What is odd about a reply whose text is empty although the model has written something.
pub(crate) const EMPTY_BESIDE_REASONING: &str = "the text is empty, and there is only reasoning";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    /// The model's text; empty if there is none.
    #[serde(deserialize_with = "content")]
    pub(super) content: String,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
    /// DeepSeek, vLLM, llama.cpp.
    #[serde(deserialize_with = "is_something")]
    reasoning_content: bool,
    /// OpenRouter, newer vLLM.
    #[serde(deserialize_with = "is_something")]
    reasoning: bool,
}

impl<'a> Message<'a> {
    /// The message of a server that completes text.
    pub(super) fn of_text(text: Option<Cow<'a, str>>) -> Self {
        Self { content: text.unwrap_or_default().into_owned(), ..Self::default() }
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.refusal.as_deref().is_some_and(|refusal| !refusal.is_empty())
    }

    pub(super) fn oddity(&self) -> Option<&'static str> {
        let has_reasoning = self.reasoning_content || self.reasoning;
        (has_reasoning && self.content.trim().is_empty()).then_some(EMPTY_BESIDE_REASONING)
    }
}

/// The content of a message: text, null, or parts of which some are text.
fn content<'de, D: Deserializer<'de>>(content: D) -> Result<String, D::Error> {
    match Value::deserialize(content)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Array(parts) => Ok(parts.iter().filter_map(text_of_part).collect()),
        _ => Err(D::Error::custom("expected text, null or a list of parts")),
    }
}

/// The text of a part, unless it is what the model thought before it answered.
fn text_of_part(part: &Value) -> Option<&str> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let is_thought = kind.contains("thinking") || kind.contains("reasoning");
    part.as_str().or_else(|| part.get("text")?.as_str()).filter(|_| !is_thought)
}

fn is_something<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(value)?;
    Ok(value.as_str().map_or(!value.is_null(), |text| !text.trim().is_empty()))
}

/// A list, if there is one, without all but its first item: the others take no memory.
pub(super) fn first<'de, D: Deserializer<'de>, T: Deserialize<'de>>(list: D) -> Result<Option<Vec<T>>, D::Error> {
    list.deserialize_any(First(PhantomData))
}

struct First<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for First<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let first: Option<T> = list.next_element()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(first.into_iter().collect()))
    }
}
