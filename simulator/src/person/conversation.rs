//! The messages exchanged between a client and a model so far.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use xxhash_rust::xxh3::Xxh3;

/// A model's name and the messages for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation<'a> {
    /// The requested model.
    pub model: Cow<'a, str>,
    /// The messages, oldest first; at least one.
    pub messages: Vec<Message<'a>>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Message<'a> {
    /// `user`, `assistant` or `system`.
    #[serde(borrow)]
    pub role: Cow<'a, str>,
    /// The text; a message in parts is joined into one text.
    #[serde(borrow, default, deserialize_with = "content")]
    pub content: Cow<'a, str>,
}

impl Conversation<'_> {
    /// Identifies the conversation: 128 bits over the model, the roles and the texts.
    pub fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        let mut add = |text: &str| {
            // The length comes first, so that different conversations never hash the same bytes.
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.model);
        for message in &self.messages {
            add(&message.role);
            add(&message.content);
        }
        hash.digest128()
    }

    /// The texts in order, as a model would read them.
    pub fn text(&self) -> Cow<'_, str> {
        match self.messages.as_slice() {
            [only] => Cow::Borrowed(&only.content),
            messages => {
                let texts: Vec<&str> = messages.iter().map(|message| &*message.content).collect();
                Cow::Owned(texts.join("\n"))
            }
        }
    }
}

/// Reads content that is a text, null, or a list of text parts.
fn content<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    deserializer.deserialize_any(ContentVisitor)
}

struct ContentVisitor;

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of text parts")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut text = String::new();
        while let Some(part) = parts.next_element::<Part<'de>>()? {
            text.push_str(part.text.as_deref().unwrap_or_default());
        }
        Ok(Cow::Owned(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(model: &str, messages: &[(&str, &str)]) -> Conversation<'static> {
        let owned = |text: &str| Cow::Owned(text.to_owned());
        let message = |&(role, content): &(&str, &str)| Message { role: owned(role), content: owned(content) };
        Conversation { model: owned(model), messages: messages.iter().map(message).collect() }
    }

    #[test]
    fn digests_depend_on_model_role_and_message_boundaries() {
        let all = [
            conversation("m", &[("user", "ab")]),
            conversation("n", &[("user", "ab")]),
            conversation("m", &[("system", "ab")]),
            conversation("m", &[("user", "a"), ("user", "b")]),
            conversation("m", &[("user", "ab"), ("user", "")]),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one.digest() == other.digest(), at == other_at, "{one:?} {other:?}");
            }
        }
    }
}
