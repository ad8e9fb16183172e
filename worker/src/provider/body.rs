//! Writes request bodies: long texts are escaped once and shared, a body is written once into one buffer.

use bytes::Bytes;
use valuesim_shared::model::ModelSettings;

/// A text as it stands inside a JSON string: escaped, without the quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedText(String);

impl EncodedText {
    /// Escapes `text`.
    ///
    /// # Panics
    /// Never: JSON is UTF-8.
    pub fn new(text: &str) -> Self {
        let mut escaped = Vec::with_capacity(text.len() + text.len() / 32);
        escape_into(&mut escaped, text);
        Self(String::from_utf8(escaped).expect("JSON is UTF-8"))
    }

    /// Bytes of the escaped text.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// What is said to the model: one prompt in three parts, of which the long ones are shared by many requests.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    before: &'a EncodedText,
    question: &'a str,
    after: &'a EncodedText,
    follow_up: Option<FollowUp<'a>>,
}

/// The model's reply and what is said to that.
#[derive(Debug, Clone, Copy)]
struct FollowUp<'a> {
    reply: &'a str,
    reminder: &'a str,
}

impl<'a> Conversation<'a> {
    /// One prompt.
    pub fn new(before: &'a EncodedText, question: &'a str, after: &'a EncodedText) -> Self {
        Self { before, question, after, follow_up: None }
    }

    /// The same prompt, the model's reply to it, and a reminder.
    #[must_use]
    pub fn followed_up(self, reply: &'a str, reminder: &'a str) -> Self {
        Self { follow_up: Some(FollowUp { reply, reminder }), ..self }
    }

    /// Roughly how many bytes the texts have.
    pub fn bytes(&self) -> usize {
        let follow_up = self.follow_up.map_or(0, |follow_up| follow_up.reply.len() + follow_up.reminder.len());
        self.before.bytes() + self.question.len() + self.after.bytes() + follow_up
    }
}

/// The parts of a body that are the same for all requests to a model.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    head: Vec<u8>,
}

impl Frame {
    /// One user message, temperature 0, nothing else but what the settings say (paper, section 4.1).
    pub(super) fn new(model: &ModelSettings) -> Self {
        let mut head = b"{\"model\":\"".to_vec();
        escape_into(&mut head, &model.name);
        head.extend_from_slice(b"\",\"temperature\":0");
        if let Some(most) = model.max_output_tokens {
            head.extend_from_slice(format!(",\"max_tokens\":{most}").as_bytes());
        }
        for (field, value) in &model.extra_body {
            head.extend_from_slice(b",\"");
            escape_into(&mut head, field);
            head.extend_from_slice(format!("\":{value}").as_bytes());
        }
        head.extend_from_slice(b",\"messages\":[{\"role\":\"user\",\"content\":\"");
        Self { head }
    }

    /// The whole body.
    pub(super) fn around(&self, conversation: &Conversation<'_>) -> Bytes {
        let mut body = Vec::with_capacity(self.head.len() + conversation.bytes() + 256);
        body.extend_from_slice(&self.head);
        body.extend_from_slice(conversation.before.0.as_bytes());
        escape_into(&mut body, conversation.question);
        body.extend_from_slice(conversation.after.0.as_bytes());
        if let Some(FollowUp { reply, reminder }) = conversation.follow_up {
            body.extend_from_slice(b"\"},{\"role\":\"assistant\",\"content\":\"");
            escape_into(&mut body, reply);
            body.extend_from_slice(b"\"},{\"role\":\"user\",\"content\":\"");
            escape_into(&mut body, reminder);
        }
        body.extend_from_slice(b"\"}]}");
        Bytes::from(body)
    }
}

/// Appends `text` as it stands inside a JSON string, without the quotes.
fn escape_into(into: &mut Vec<u8>, text: &str) {
    let opening = into.len();
    serde_json::to_writer(&mut *into, text).expect("text can be written as JSON");
    into.pop();
    into.remove(opening);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn body(model: &ModelSettings, conversation: &Conversation<'_>) -> Value {
        serde_json::from_slice(&Frame::new(model).around(conversation)).expect("is JSON")
    }

    #[test]
    fn settings_become_fields_of_the_body() {
        let mut model = ModelSettings::named("a \"model\"");
        model.max_output_tokens = Some(300);
        model.extra_body.insert("thinking".to_owned(), json!({"type": "disabled"}));
        let (before, after) = (EncodedText::new("Who?\n"), EncodedText::new(""));
        let expected = json!({
            "model": "a \"model\"",
            "temperature": 0,
            "max_tokens": 300,
            "thinking": {"type": "disabled"},
            "messages": [{"role": "user", "content": "Who?\nYou?"}],
        });
        assert_eq!(body(&model, &Conversation::new(&before, "You?", &after)), expected);
    }

    proptest! {
        #[test]
        fn any_texts_arrive_as_they_are(parts in prop::array::uniform5(any::<String>())) {
            let [before, question, after, reply, reminder] = &parts;
            let (shared_before, shared_after) = (EncodedText::new(before), EncodedText::new(after));
            let conversation = Conversation::new(&shared_before, question, &shared_after).followed_up(reply, reminder);
            let messages = body(&ModelSettings::named("m"), &conversation)["messages"].take();
            let prompt = [before.as_str(), question, after].concat();
            let expected = json!([
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": reply},
                {"role": "user", "content": reminder},
            ]);
            prop_assert_eq!(messages, expected);
        }
    }
}
