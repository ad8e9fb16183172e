//! Builds request bodies. Long texts are escaped once and shared by all bodies that contain them.

use bytes::Bytes;
use serde_json::Value;
use valuesim_shared::model::{ModelSettings, Temperature};

use super::request_body::RequestBody;

/// The end of the last message and of the body.
const END: &[u8] = b"\"}]}";

/// A text as it appears inside a JSON string: escaped, without the quotes. A clone shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedText(Bytes);

impl EncodedText {
    /// Escapes `text`.
    ///
    /// # Panics
    /// Never: JSON is UTF-8.
    pub fn new(text: &str) -> Self {
        let mut quoted = Vec::with_capacity(text.len() + text.len() / 32 + 2);
        serde_json::to_writer(&mut quoted, text).expect("text can be written as JSON");
        // It lives as long as its cell, so spare capacity is worth giving back.
        quoted.shrink_to_fit();
        let inside = 1..quoted.len() - 1;
        Self(Bytes::from(quoted).slice(inside))
    }

    /// The concatenation of texts.
    pub fn joined(texts: &[&Self]) -> Self {
        let all: Vec<&[u8]> = texts.iter().map(|text| &text.0[..]).collect();
        Self(all.concat().into())
    }

    /// The original text.
    fn unescaped(&self) -> String {
        let text = [b"\"", &self.0[..], b"\""].concat();
        serde_json::from_slice(&text).expect("it was written as JSON")
    }

    /// The length of the escaped text, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// A conversation with the model: one prompt in three parts, of which many requests share the long ones, and perhaps a
/// follow-up.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    before: &'a EncodedText,
    question: Option<&'a EncodedText>,
    after: &'a EncodedText,
    /// The model's reply to the prompt, and the reminder that follows it.
    follow_up: Option<[&'a str; 2]>,
    most_output_tokens: Option<u32>,
    /// The field `response_format`, as JSON.
    response_format: Option<&'a str>,
}

impl<'a> Conversation<'a> {
    /// One prompt. `question` is `None` if the other texts contain it.
    pub fn new(before: &'a EncodedText, question: Option<&'a EncodedText>, after: &'a EncodedText) -> Self {
        Self { before, question, after, follow_up: None, most_output_tokens: None, response_format: None }
    }

    /// The same prompt, the model's reply to it, and a reminder.
    #[must_use]
    pub fn followed_up(self, reply: &'a str, reminder: &'a str) -> Self {
        Self { follow_up: Some([reply, reminder]), ..self }
    }

    /// The same prompt with this limit on the reply's tokens, instead of the one in the model's settings.
    #[must_use]
    pub fn with_room_for(self, most_output_tokens: u32) -> Self {
        Self { most_output_tokens: Some(most_output_tokens), ..self }
    }

    /// The same prompt with this field `response_format`, which is JSON, if there is one.
    #[must_use]
    pub fn in_format(self, response_format: Option<&'a str>) -> Self {
        Self { response_format, ..self }
    }

    /// The limit on the reply's tokens, if it differs from the model's settings.
    pub fn most_output_tokens(&self) -> Option<u32> {
        self.most_output_tokens
    }

    /// The messages as plain text: the prompt, and perhaps the model's reply and the reminder.
    pub fn messages(&self) -> Vec<String> {
        self.owned().messages(&mut LastUnescaped::default())
    }

    /// The approximate length of all texts, in bytes.
    pub fn bytes(&self) -> usize {
        let follow_up = self.follow_up.map_or(0, |[reply, reminder]| reply.len() + reminder.len());
        self.before.bytes() + self.question.map_or(0, EncodedText::bytes) + self.after.bytes() + follow_up
    }
}

/// The words of a call, which can be rendered as often as the call is sent.
pub trait Wording: Sync {
    /// Renders the conversation and passes it to `with`.
    fn with_conversation<R>(&self, with: impl FnOnce(&Conversation<'_>) -> R) -> R;
}

impl Wording for Conversation<'_> {
    fn with_conversation<R>(&self, with: impl FnOnce(&Conversation<'_>) -> R) -> R {
        with(self)
    }
}

/// A conversation that owns its texts. The long ones are still shared.
#[derive(Debug, Clone)]
pub struct OwnedConversation {
    before: EncodedText,
    question: Option<EncodedText>,
    after: EncodedText,
    follow_up: Option<[String; 2]>,
}

impl Conversation<'_> {
    /// The conversation with its own references to the texts.
    pub fn owned(&self) -> OwnedConversation {
        OwnedConversation {
            before: self.before.clone(),
            question: self.question.cloned(),
            after: self.after.clone(),
            follow_up: self.follow_up.map(|texts| texts.map(str::to_owned)),
        }
    }
}

/// Caches the long text that was unescaped last, because the prompts of one stage share it.
#[derive(Debug, Default)]
pub struct LastUnescaped(Option<(EncodedText, String)>);

impl LastUnescaped {
    fn of(&mut self, text: &EncodedText) -> &str {
        let known = self.0.take().filter(|(known, _)| std::ptr::eq(&raw const known.0[..], &raw const text.0[..]));
        &self.0.insert(known.unwrap_or_else(|| (text.clone(), text.unescaped()))).1
    }
}

impl OwnedConversation {
    /// The messages as plain text: the prompt, and perhaps the model's reply and the reminder.
    pub fn messages(&self, last: &mut LastUnescaped) -> Vec<String> {
        let mut prompt = last.of(&self.before).to_owned();
        prompt.extend(self.question.iter().map(EncodedText::unescaped));
        prompt.push_str(&self.after.unescaped());
        std::iter::once(prompt).chain(self.follow_up.iter().flatten().cloned()).collect()
    }
}

/// The parts that the bodies of all requests to a model have in common.
#[derive(Debug, Clone)]
pub(super) struct BodyTemplate {
    model: ModelSettings,
    takes_cache_key: bool,
    /// The start of a body with the limit on the reply's tokens from the settings.
    opening: Bytes,
}

impl BodyTemplate {
    /// Bodies with one user message, temperature 0 unless the settings say otherwise, and else only what they say (paper, section
    /// 4.1).
    pub(super) fn new(model: &ModelSettings) -> Self {
        let opening = opening(model, model.max_output_tokens);
        Self { opening, takes_cache_key: takes_cache_key(model), model: model.clone() }
    }

    /// The body for a conversation of a session.
    pub(super) fn fill(&self, conversation: &Conversation<'_>, session: &str) -> RequestBody {
        let Conversation { before, question, after, follow_up, most_output_tokens, response_format } = conversation;
        let opening = most_output_tokens.map_or_else(|| self.opening.clone(), |most| opening(&self.model, Some(most)));
        let question = question.map_or_else(Bytes::new, |question| question.0.clone());
        let mut end = follow_up.map_or_else(|| Bytes::from_static(END), |follow_up| closing(follow_up).into());
        if self.takes_cache_key {
            // The field by which OpenAI routes prompts that begin alike to one machine.
            end = with_field(&end, "prompt_cache_key", &Value::from(session).to_string());
        }
        if let Some(format) = response_format {
            end = with_field(&end, "response_format", format);
        }
        RequestBody::new([opening, before.0.clone(), question, after.0.clone(), end])
    }
}

/// The start of a body, up to the prompt. `Value` displays itself as JSON.
fn opening(model: &ModelSettings, most_output_tokens: Option<u32>) -> Bytes {
    let mut opening = format!("{{\"model\":{}", Value::from(model.name_at_provider()));
    if let Temperature::Set(temperature) = model.temperature {
        opening.push_str(&format!(",\"temperature\":{temperature}"));
    }
    if let Some(most) = most_output_tokens {
        opening.push_str(&format!(",\"{}\":{most}", model.output_limit_field.name()));
    }
    for (field, value) in &model.extra_body {
        opening.push_str(&format!(",{}:{value}", Value::from(field.as_str())));
    }
    opening.push_str(",\"messages\":[{\"role\":\"user\",\"content\":\"");
    opening.into()
}

/// The end of a body with a follow-up, from the end of the prompt.
fn closing(follow_up: [&str; 2]) -> Vec<u8> {
    let [reply, reminder] = follow_up.map(EncodedText::new);
    let to_reply = br#""},{"role":"assistant","content":""#;
    let to_reminder = br#""},{"role":"user","content":""#;
    [to_reply, &reply.0[..], to_reminder, &reminder.0, END].concat()
}

/// The same end of a body with one more field, whose value is JSON.
fn with_field(end: &[u8], name: &str, json: &str) -> Bytes {
    let without_brace = &end[..end.len() - 1];
    let field = format!(",\"{name}\":{json}}}");
    [without_brace, field.as_bytes()].concat().into()
}

/// Whether a model's address is OpenAI's, which knows `prompt_cache_key`. Other servers may refuse unknown fields.
fn takes_cache_key(model: &ModelSettings) -> bool {
    let is_set = model.extra_body.contains_key("prompt_cache_key");
    !is_set && model.base_url.as_deref().is_some_and(|url| url.starts_with("https://api.openai.com/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use valuesim_shared::model::OutputLimitField;

    use super::*;

    fn body(model: &ModelSettings, conversation: &Conversation<'_>) -> Value {
        serde_json::from_slice(&BodyTemplate::new(model).fill(conversation, "s-1").to_bytes()).expect("is JSON")
    }

    #[test]
    fn settings_become_fields_of_the_body() {
        let mut model = ModelSettings::named("a \"model\"");
        model.max_output_tokens = Some(300);
        model.extra_body.insert("thinking".to_owned(), json!({"type": "disabled"}));
        let [before, question, after] = ["Who?\n", "You?", ""].map(EncodedText::new);
        let expected = json!({
            "model": "a \"model\"",
            "temperature": 0,
            "max_tokens": 300,
            "thinking": {"type": "disabled"},
            "messages": [{"role": "user", "content": "Who?\nYou?"}],
        });
        assert_eq!(body(&model, &Conversation::new(&before, Some(&question), &after)), expected);
    }

    #[test]
    fn the_limit_is_sent_in_the_field_that_the_settings_name() {
        let mut model = ModelSettings::named("m");
        model.output_limit_field = OutputLimitField::MaxCompletionTokens;
        let (before, after) = (EncodedText::new("Who?"), EncodedText::new(""));
        let body = body(&model, &Conversation::new(&before, None, &after).with_room_for(9));
        assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&json!(9), &Value::Null));
    }

    #[test]
    fn only_openai_is_told_which_prompts_begin_alike() {
        let (before, after) = (EncodedText::new("Who?"), EncodedText::new(""));
        let ordinary = Conversation::new(&before, None, &after);
        let mut model = ModelSettings::named("m");
        for (url, expected) in
            [("https://api.openai.com/v1", json!("s-1")), ("https://api.openai.com.evil.test/v1", Value::Null)]
        {
            model.base_url = Some(url.to_owned());
            for conversation in [ordinary, ordinary.followed_up("You.", "Once more")] {
                assert_eq!(body(&model, &conversation)["prompt_cache_key"], expected, "{url}");
            }
        }
        model.base_url = Some("https://api.openai.com/v1".to_owned());
        model.extra_body.insert("prompt_cache_key".to_owned(), json!("mine"));
        assert_eq!(body(&model, &ordinary)["prompt_cache_key"], "mine");
    }

    #[test]
    fn a_response_format_is_a_field_of_the_body() {
        let (before, after) = (EncodedText::new("Who?"), EncodedText::new(""));
        let ordinary = Conversation::new(&before, None, &after);
        let mut model = ModelSettings::named("m");
        model.base_url = Some("https://api.openai.com/v1".to_owned());
        for conversation in [ordinary, ordinary.followed_up("You.", "Once more")] {
            let mut expected = body(&model, &conversation);
            expected["response_format"] = json!({"type": "json_schema"});
            assert_eq!(body(&model, &conversation.in_format(Some("{\"type\":\"json_schema\"}"))), expected);
        }
    }

    #[test]
    fn more_room_replaces_the_limit_of_the_settings_and_nothing_else() {
        let mut model = ModelSettings::named("m");
        model.max_output_tokens = Some(300);
        let (before, after) = (EncodedText::new("Who?"), EncodedText::new(""));
        let ordinary = Conversation::new(&before, None, &after);
        let mut expected = body(&model, &ordinary);
        expected["max_tokens"] = 1200.into();
        assert_eq!(body(&model, &ordinary.with_room_for(1200)), expected);
    }

    proptest! {
        #[test]
        fn texts_are_joined_as_if_they_were_one(texts in prop::array::uniform3(any::<String>())) {
            let [first, second, third] = texts.each_ref().map(|text| EncodedText::new(text));
            prop_assert_eq!(EncodedText::joined(&[&first, &second, &third]), EncodedText::new(&texts.concat()));
        }

        #[test]
        fn any_texts_arrive_as_they_are(parts in prop::array::uniform5(any::<String>())) {
            let [before, question, after, reply, reminder] = &parts;
            let [first, second, third] = [before, question, after].map(|part| EncodedText::new(part));
            let conversation = Conversation::new(&first, Some(&second), &third).followed_up(reply, reminder);
            let messages = body(&ModelSettings::named("m"), &conversation)["messages"].take();
            let prompt = [before.as_str(), question, after].concat();
            let expected = json!([
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": reply},
                {"role": "user", "content": reminder},
            ]);
            prop_assert_eq!(messages, expected);
            prop_assert_eq!(conversation.owned().messages(&mut LastUnescaped::default()), vec![prompt, reply.clone(), reminder.clone()]);
        }
    }
}
