//! Asks a model one tiny question, to see before a run what the run will meet.

use std::time::SystemTime;

use serde_json::Value;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::day::Day;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::price::PricedCall;
use valuesim_shared::stage::StageKind;

use super::body::{BodyTemplate, Conversation, EncodedText};
use super::client::PATH;
use super::connection::{Answer, Connection};
use super::error::CallError;
use super::key::Keys;
use super::setup::{ClientError, Deadlines};
use super::wire::{Reply, completion, without_padding};

/// The question.
const QUESTION: &str = "Reply with the number 1.";

/// The session that it belongs to.
const SESSION: &str = "check";

/// More than the tokens of the question, with what providers put around it.
const QUESTION_TOKENS: u64 = 100;

/// The most tokens of the reply, unless they would cost more than [`MOST`]. Reasoning models use some before they answer.
const REPLY_TOKENS: u32 = 256;

/// The fewest: some servers take no smaller limit.
const FEWEST_REPLY_TOKENS: u32 = 16;

/// The most that one question may cost: half a cent.
const MOST: NanoUsd = NanoUsd(5_000_000);

/// The longest answer that is read, in bytes after decompression: routers list hundreds of models, with a description each.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// How many fields of the usage are named at most.
const MAX_FIELDS: usize = 12;

/// The names under which servers tell the length of a model's context, in tokens.
const CONTEXT: [&str; 6] =
    ["context_length", "max_model_len", "context_window", "max_context_length", "max_input_tokens", "n_ctx"];

/// One question to one address of a model.
#[derive(Debug)]
pub struct Trial<'a> {
    model: &'a ModelSettings,
    chat: Connection,
    list: Connection,
}

/// The answer to it.
#[derive(Debug)]
pub struct Answered {
    /// The reply.
    pub reply: Reply,
    /// The names of the numbers in its usage, such as `prompt_tokens_details.cached_tokens`.
    pub usage: Vec<String>,
    /// Whether a simulated provider gave it.
    pub is_simulated: bool,
    /// What it cost; `None` if that is not known.
    pub cost: Option<NanoUsd>,
}

impl<'a> Trial<'a> {
    /// A question to the base URL of `model`. Reads its key; makes no call.
    ///
    /// # Errors
    /// If key, address, certificates or proxy cannot be used.
    pub fn new(model: &'a ModelSettings, deadlines: Deadlines) -> Result<Self, ClientError> {
        let connection =
            |path: &[&str]| {
                Connection::new(model, path, (deadlines, MAX_ANSWER_BYTES), &Keys::OfUser)
                    .map_err(|problem| ClientError { what: "model", model: model.name.clone(), problem })
            };
        Ok(Self { model, chat: connection(&PATH)?, list: connection(&["models"])? })
    }

    /// Asks once; never retries.
    ///
    /// # Errors
    /// Why there is no reply.
    pub async fn ask(&self) -> Result<Answered, CallError> {
        let [question, nothing] = [QUESTION, ""].map(EncodedText::new);
        let about = Codebook::built_in();
        let format = self.model.answer_format.response_format(StageKind::FullInfo, &about.questions()[0]);
        let conversation = Conversation::new(&question, None, &nothing).with_room_for(self.reply_tokens());
        let conversation = conversation.in_format(format.as_deref());
        let body = BodyTemplate::new(self.model).fill(&conversation, SESSION);
        let read = |Answer { body, is_simulated, stated }: &Answer| {
            let reply = Reply { stated: *stated, ..completion(body)? };
            let cost = self.cost(&reply);
            Ok(Answered { reply, usage: usage_fields(body), is_simulated: *is_simulated, cost })
        };
        self.chat.post(body, Some(SESSION), read).await
    }

    fn cost(&self, reply: &Reply) -> Option<NanoUsd> {
        let model = Some(reply.model.as_str());
        let call = PricedCall { ended: SystemTime::now(), service_tier: reply.service_tier.as_deref(), model };
        reply.cost.or_else(|| Some(self.model.price.as_ref()?.cost(reply.tokens?, call)))
    }

    /// The length of the model's context, in tokens, if the server's list of models (`GET /models`, which is free) tells it.
    pub async fn context_length(&self) -> Option<u64> {
        context_length(&self.list.get().await?, self.model.name_at_provider())
    }

    /// As many tokens as half a cent pays for.
    fn reply_tokens(&self) -> u32 {
        let mut tokens = self.model.max_output_tokens.unwrap_or(REPLY_TOKENS).min(REPLY_TOKENS);
        while tokens > FEWEST_REPLY_TOKENS && self.at_most(tokens).is_some_and(|cost| cost > MOST) {
            tokens = (tokens / 2).max(FEWEST_REPLY_TOKENS);
        }
        tokens
    }

    /// The most that the question can cost with a reply of so many tokens; `None` if the price is unknown.
    fn at_most(&self, tokens: u32) -> Option<NanoUsd> {
        let rates = self.model.price.as_ref()?.dearest_rates(QUESTION_TOKENS, Day::of(SystemTime::now()), 1);
        Some(rates.cost(Tokens { input: QUESTION_TOKENS, output: u64::from(tokens), ..Tokens::default() }))
    }

    /// What the question can cost, if that is more than half a cent however short the reply is.
    pub fn too_dear(&self) -> Option<NanoUsd> {
        self.at_most(self.reply_tokens()).filter(|cost| *cost > MOST)
    }
}

/// The names of the numbers in the usage of a completion, as paths.
fn usage_fields(body: &str) -> Vec<String> {
    let completion: Value = serde_json::from_str(without_padding(body)).unwrap_or_default();
    let Some(usage) = completion.get("usage").and_then(Value::as_object) else { return Vec::new() };
    let mut names = Vec::new();
    for (name, value) in usage {
        match value {
            Value::Number(_) => names.push(name.clone()),
            Value::Object(details) => {
                let numbers = details.iter().filter(|(_, value)| value.is_number());
                names.extend(numbers.map(|(detail, _)| format!("{name}.{detail}")));
            }
            _ => {}
        }
    }
    names.truncate(MAX_FIELDS);
    names
}

/// What a list of models tells of one of them.
fn context_length(list: &str, name: &str) -> Option<u64> {
    let list: Value = serde_json::from_str(list).ok()?;
    let models = list.get("data").unwrap_or(&list).as_array()?;
    let about = models.iter().find(|model| model.get("id").and_then(Value::as_str) == Some(name))?;
    let places = [Some(about), about.get("meta"), about.get("top_provider")];
    let told = places.into_iter().flatten().flat_map(|place| CONTEXT.iter().map(|&field| place.get(field)));
    told.flatten().find_map(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use valuesim_shared::price::Price;

    use super::*;

    #[test]
    fn the_context_is_found_as_servers_tell_it() {
        let check = |about: &str, expected| {
            let list =
                format!(r#"{{"object":"list","data":[{{"id":"other","context_length":1}},{{"id":"m"{about}}}]}}"#);
            assert_eq!(context_length(&list, "m"), expected, "{about}");
        };
        check(r#","context_length":128000"#, Some(128_000));
        check(r#","max_model_len":32768"#, Some(32_768));
        check(r#","meta":{"n_ctx":8192}"#, Some(8_192));
        check(r#","top_provider":{"context_length":4096}"#, Some(4_096));
        check("", None);
        assert_eq!(context_length("<html>", "m"), None);
        assert_eq!(context_length("[]", "m"), None);
    }

    #[test]
    fn the_fields_of_usage_are_named() {
        let body = r#"{"usage":{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"x":null},"note":"n"}}"#;
        assert_eq!(usage_fields(body), ["prompt_tokens", "prompt_tokens_details.cached_tokens"]);
        assert!(usage_fields("{}").is_empty() && usage_fields("no JSON").is_empty());
    }

    #[test]
    fn a_question_costs_at_most_half_a_cent() {
        let check = |price, max_output_tokens, tokens, too_dear: bool| {
            let base_url = Some("http://127.0.0.1:9/v1".to_owned());
            let model = ModelSettings { price, max_output_tokens, base_url, ..ModelSettings::named("m") };
            let trial = Trial::new(&model, Deadlines::default()).expect("usable");
            assert_eq!((trial.reply_tokens(), trial.too_dear().is_some()), (tokens, too_dear));
            let cost = trial.at_most(tokens).unwrap_or_default();
            assert!(too_dear || cost <= NanoUsd(5_000_000), "{cost}");
        };
        check(None, None, 256, false);
        check(None, Some(40), 40, false);
        check(Some(Price::flat(2.5, None, 10.0)), None, 256, false);
        check(Some(Price::flat(15.0, None, 75.0)), None, 32, false);
        check(Some(Price::flat(15.0, None, 175.0)), Some(40), 20, false);
        check(Some(Price::flat(150.0, None, 600.0)), None, 16, true);
    }
}
