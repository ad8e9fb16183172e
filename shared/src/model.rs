//! The settings of a language model: its provider's address and key, its limits and its price.

mod id;
pub(crate) mod known;
mod own_headers;
pub(crate) mod problems;
mod temperature;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::known::{Incomplete, Known};
pub use self::own_headers::{HeaderSource, OwnHeaders};
use self::problems::{Address, SettingsProblems};
pub use self::problems::{holds_a_secret, is_plain, shown};
pub use self::temperature::Temperature;
use crate::answer_format::AnswerFormat;
use crate::day::Day;
use crate::permit::{Endpoint, KeyName, Limits, plain_address};
use crate::price::{Host, Price, PriceTable};

/// A model in an experiment. Settings left out come from the table of known models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ModelSettings {
    /// What the model is called in the experiment, its arms and its reports: its `id`, or else its name at its provider.
    pub name: String,
    /// The model's name at its provider, if the experiment gives it an `id`. In files and messages this one is `name`.
    #[serde(default, rename = "id", skip_serializing_if = "Option::is_none")]
    pub name_at_provider: Option<String>,
    /// The base URL of the provider's API, without `/chat/completions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Further addresses that serve the same model with the same key, such as those of a model server's replicas. All calls of
    /// a cell go to the same one, as long as it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// The environment variable that contains the API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// A file that contains the API key, instead of the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// The name of the API key in the workers' own lists of keys: all that a manifest says about the key. Without it, the
    /// name of the variable is the key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_name: Option<String>,
    /// Further headers of each request, by their names; their values are in variables or files, such as Azure's `api-key`.
    #[serde(default, skip_serializing_if = "OwnHeaders::is_empty")]
    pub headers: OwnHeaders,
    /// A PEM file of certificates to trust for the provider and its proxy, in addition to the system's. It is read where the
    /// calls are made; in a fleet, on each worker's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The longest reply to request, in tokens; the provider's own limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// The request field for that limit.
    #[serde(default, skip_serializing_if = "OutputLimitField::is_usual")]
    pub output_limit_field: OutputLimitField,
    /// The temperature of requests.
    #[serde(default, skip_serializing_if = "Temperature::is_usual")]
    pub temperature: Temperature,
    /// The form of answers that requests ask for.
    #[serde(default, skip_serializing_if = "AnswerFormat::is_usual")]
    pub answer_format: AnswerFormat,
    /// After how many answered prompts with the same beginning the provider reads it from its cache; 0 if it has no cache.
    /// Decides in which order a cell's calls are made, and so what they cost, not what comes of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_after: Option<u8>,
    /// The provider's limits.
    #[serde(default)]
    pub limits: Limits,
    /// The price of tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What calls to the model may cost at most, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// What calls to the model's endpoint may cost at most, in US dollars: of all models of the experiment at this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_budget_usd: Option<f64>,
    /// Additional fields of the request body, as documented by the provider.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra_body: serde_json::Map<String, serde_json::Value>,
}

/// The request field for the longest reply.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimitField {
    /// `max_tokens`, which every OpenAI-compatible server knows.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models require: they refuse the other one, and count reasoning
    /// tokens too.
    MaxCompletionTokens,
}

impl OutputLimitField {
    /// Both.
    pub const ALL: [Self; 2] = [Self::MaxTokens, Self::MaxCompletionTokens];

    /// The field's name in the request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// How long before a model's retirement it is told.
const WARN_OF_RETIREMENT_DAYS: u32 = 90;

/// Fields of the request body that the method sets.
const FIELDS_OF_THE_METHOD: [&str; 7] =
    ["model", "messages", "temperature", "max_tokens", "max_completion_tokens", "stream", "n"];

impl ModelSettings {
    /// A model with a name and no other settings.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            name_at_provider: None,
            base_url: None,
            replicas: Vec::new(),
            api_key_env: None,
            api_key_file: None,
            api_key_name: None,
            headers: OwnHeaders::new(),
            ca_file: None,
            max_output_tokens: None,
            output_limit_field: OutputLimitField::default(),
            temperature: Temperature::default(),
            answer_format: AnswerFormat::default(),
            cache_after: None,
            limits: Limits::default(),
            price: None,
            budget_usd: None,
            endpoint_budget_usd: None,
            extra_body: serde_json::Map::new(),
        }
    }

    /// The model's name at its provider, for which requests ask.
    pub fn name_at_provider(&self) -> &str {
        self.name_at_provider.as_deref().unwrap_or(&self.name)
    }

    /// Where calls to it go.
    pub fn endpoint(&self) -> Endpoint {
        let key = match (&self.api_key_name, &self.api_key_file, &self.api_key_env) {
            (Some(name), ..) => KeyName::Listed(name.clone()),
            (None, Some(file), _) => KeyName::File(file.clone()),
            (None, None, Some(variable)) => KeyName::Variable(variable.clone()),
            (None, None, None) => self.headers.values().next().map_or(KeyName::None, HeaderSource::key_name),
        };
        Endpoint::new(self.base_url.as_deref().unwrap_or_default(), key)
    }

    /// The settings for each address that serves the model, each with that address alone.
    pub fn at_each_address(&self) -> impl Iterator<Item = Self> {
        let first = Self { replicas: Vec::new(), ..self.clone() };
        let others = self.replicas.iter().map(|url| Self { base_url: Some(url.clone()), ..first.clone() });
        std::iter::once(first.clone()).chain(others.collect::<Vec<_>>())
    }

    /// The settings as workers get them: the key by its name alone, and no path.
    #[must_use]
    pub fn for_workers(&self) -> Self {
        let api_key_name = self.api_key_name.clone().or_else(|| self.api_key_env.clone());
        let headers = self.headers.iter().map(|(name, source)| (name.clone(), source.for_workers())).collect();
        Self { api_key_name, headers, api_key_env: None, api_key_file: None, ca_file: None, ..self.clone() }
    }

    /// After how many answered prompts the provider reads their common beginning from its cache: as set, or else two at DeepSeek
    /// (its guide on context caching), and one elsewhere.
    pub fn cache_after(&self) -> u8 {
        let host = self.base_url.as_deref().and_then(|url| url.split("://").nth(1)?.split(['/', ':']).next());
        let is_deepseek = host.is_some_and(|host| host == "deepseek.com" || host.ends_with(".deepseek.com"));
        self.cache_after.unwrap_or(if is_deepseek { 2 } else { 1 })
    }

    /// Writes addresses plainly, and fills in the missing address, key variable, price and fields of a known model.
    pub fn fill_in_known(&mut self) {
        self.base_url = self.base_url.take().map(|url| plain_address(&url));
        self.replicas.iter_mut().for_each(|url| *url = plain_address(url));
        let table = PriceTable::built_in();
        let Some(model) = table.find(self.name_at_provider(), self.base_url.as_deref()) else { return };
        let Some(Host { base_url, api_key_env, .. }) = table.host(model) else { return };
        let settings = Incomplete {
            base_url: &mut self.base_url,
            api_key_env: &mut self.api_key_env,
            has_key_file: self.api_key_file.is_some(),
            price: &mut self.price,
            extra_body: &mut self.extra_body,
        };
        settings.complete(&Known { base_url, api_key_env, price: &model.price, extra_body: &model.extra_body });
    }

    /// The service tier that its requests ask for, if the user set one.
    pub fn asked_tier(&self) -> Option<&str> {
        self.extra_body.get("service_tier").and_then(serde_json::Value::as_str)
    }

    /// Takes a missing price from a table that the user names. It goes before the one of this release.
    pub fn fill_in_price(&mut self, table: &PriceTable) {
        if self.price.is_none() {
            let base_url = self.base_url.as_deref().map(plain_address);
            self.price = table.find(self.name_at_provider(), base_url.as_deref()).map(|model| model.price.clone());
        }
    }

    /// A warning if the model's vendor has retired it or soon will.
    pub fn retirement(&self, today: Day) -> Option<String> {
        let model = PriceTable::built_in().find(self.name_at_provider(), Some(self.base_url.as_deref()?))?;
        model.retirement(today, WARN_OF_RETIREMENT_DAYS)
    }

    /// The problems of the settings. A simulated provider needs no address.
    pub fn problems(&self, simulated: bool) -> Vec<String> {
        let mut problems = SettingsProblems::of("model", &self.name);
        if self.name_at_provider.as_deref().is_some_and(|name| name.trim().is_empty() || !is_plain(name)) {
            problems.add("beside its id, expected a name of printable text");
        }
        let base_url = self.base_url.as_deref();
        let known = "the models that `valuesim prices list` shows".to_owned();
        problems.check_address(Address { field: "base_url", base_url, is_simulated: simulated, known });
        problems.check_replicas(base_url, &self.replicas);
        problems.check_key(self.api_key_env.as_deref(), self.api_key_name.as_deref());
        problems.check_headers(&self.headers);
        problems.check_price(self.price.as_ref());
        problems.check_limits(self.limits, self.max_output_tokens);
        problems.check_cache_after(self.cache_after);
        let reason = "the method sets this field itself";
        problems.check_extra_body(&self.extra_body, &FIELDS_OF_THE_METHOD, reason);
        if !self.answer_format.is_usual() {
            let reason = "answer_format sets this field; leave one of them out";
            problems.check_extra_body(&self.extra_body, &["response_format"], reason);
        }
        problems.into_sentences()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_known_models_is_valid() {
        let table = PriceTable::built_in();
        for known in &table.models {
            let mut model = ModelSettings::named(&known.name);
            model.base_url = table.host(known).map(|host| host.base_url.clone());
            model.fill_in_known();
            assert_eq!(model.problems(false), Vec::<String>::new());
            assert_eq!(model.price.as_ref(), Some(&known.price));
        }
    }

    #[test]
    fn settings_of_the_user_take_precedence() {
        let mut model = ModelSettings::named("gpt-3.5-turbo");
        model.base_url = Some("http://127.0.0.1:9/v1".to_owned());
        model.fill_in_known();
        assert_eq!(model.base_url.as_deref(), Some("http://127.0.0.1:9/v1"));
        assert_eq!(model.api_key_env, None, "another address does not get the known provider's key");
        assert_eq!(model.price, None, "another address has its own prices");
    }

    #[test]
    fn a_known_address_has_its_key_and_price_however_it_is_written() {
        let plain = {
            let mut model = ModelSettings::named("gpt-4o-mini");
            model.fill_in_known();
            model
        };
        assert!(plain.price.is_some() && plain.api_key_env.is_some());
        for address in
            ["https://api.openai.com/v1/", "HTTPS://API.OpenAI.com/v1", "https://api.openai.com/v1/chat/completions"]
        {
            let mut model = ModelSettings::named("gpt-4o-mini");
            model.base_url = Some(address.to_owned());
            model.fill_in_known();
            assert_eq!(model, plain, "{address}");
        }
    }

    #[test]
    fn invalid_settings_are_named() {
        let mut model = ModelSettings::named("mine");
        model.base_url = Some("localhost:8000".to_owned());
        model.limits.calls_in_flight = 0;
        model.extra_body.insert("temperature".to_owned(), 1.into());
        let problems = model.problems(false).join("\n");
        for expected in ["base_url \"localhost:8000\"", "calls_in_flight 0", "extra_body.temperature"] {
            assert!(problems.contains(expected), "{problems}");
        }
    }
}
