//! The settings of the embeddings that `rag` retrieves with: the provider's address and key, its limits and its price.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::model::ModelSettings;
use crate::model::known::{Incomplete, KnownModels};
use crate::model::problems::{Address, SettingsProblems};
use crate::permit::{Limits, plain_address};
use crate::price::Price;

/// How many texts one request holds unless the experiment says otherwise: a megabyte of vectors, and few enough for a
/// server without a graphics card.
pub const DEFAULT_BATCH: u16 = 64;

/// The most texts of one request (OpenAI's limit for an array of inputs).
pub const MAX_BATCH: u16 = 2_048;

/// The model of an experiment's embeddings. Settings left out come from the table of known models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSettings {
    /// The model's name at its provider.
    pub name: String,
    /// The base URL of the provider's API, without `/embeddings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that contains the API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// A file that contains the API key, instead of the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// A PEM file of certificates to trust for the provider and its proxy, in addition to the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How many texts one request holds at most.
    #[serde(default = "default_batch")]
    pub batch: u16,
    /// The provider's limits.
    #[serde(default)]
    pub limits: Limits,
    /// The price of tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<EmbeddingPrice>,
    /// Additional fields of the request body, as documented by the provider, such as `dimensions`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra_body: serde_json::Map<String, serde_json::Value>,
}

const fn default_batch() -> u16 {
    DEFAULT_BATCH
}

/// The price of embeddings in US dollars per million tokens. Only texts have a price, because vectors have no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingPrice {
    /// Price of a million tokens of text.
    pub input_usd_per_million: f64,
}

impl From<EmbeddingPrice> for Price {
    fn from(EmbeddingPrice { input_usd_per_million }: EmbeddingPrice) -> Self {
        Self::flat(input_usd_per_million, None, 0.0)
    }
}

/// Fields of the request body that are set from texts and settings.
const FIELDS_OF_THE_METHOD: [&str; 2] = ["model", "input"];

impl EmbeddingSettings {
    /// A model with a name and no other settings.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_url: None,
            api_key_env: None,
            api_key_file: None,
            ca_file: None,
            batch: DEFAULT_BATCH,
            limits: Limits::default(),
            price: None,
            extra_body: serde_json::Map::new(),
        }
    }

    /// The same as settings of a model, for all that calls have in common: address, key, certificates, limits, price.
    pub fn as_model(&self) -> ModelSettings {
        ModelSettings {
            base_url: self.base_url.clone(),
            api_key_env: self.api_key_env.clone(),
            api_key_file: self.api_key_file.clone(),
            api_key_name: None,
            ca_file: self.ca_file.clone(),
            limits: self.limits,
            price: self.price.map(Price::from),
            ..ModelSettings::named(&self.name)
        }
    }

    /// Writes the address plainly, and fills in the missing address, key variable, price and fields of a known model.
    pub fn fill_in_known(&mut self) {
        self.base_url = self.base_url.take().map(|url| plain_address(&url));
        let settings = Incomplete {
            base_url: &mut self.base_url,
            api_key_env: &mut self.api_key_env,
            has_key_file: self.api_key_file.is_some(),
            price: &mut self.price,
            extra_body: &mut self.extra_body,
        };
        KNOWN.complete(&self.name, settings);
    }

    /// The problems of the settings. A simulated provider needs no address.
    pub fn problems(&self, simulated: bool) -> Vec<String> {
        let mut problems = SettingsProblems::of("embeddings", &self.name);
        problems.check_key(self.api_key_env.as_deref(), None);
        problems.check_price(self.price.map(Price::from).as_ref());
        problems.check_limits(self.limits, None);
        let base_url = self.base_url.as_deref();
        problems.check_address(Address { field: "base_url", base_url, is_simulated: simulated, known: KNOWN.names() });
        if !(1..=MAX_BATCH).contains(&self.batch) {
            problems.add(&format!("batch {}: expected 1 to {MAX_BATCH} texts for each request", self.batch));
        }
        let reason = "it follows from the other settings";
        problems.check_extra_body(&self.extra_body, &FIELDS_OF_THE_METHOD, reason);
        problems.into_sentences()
    }
}

static KNOWN: LazyLock<KnownModels<EmbeddingPrice>> =
    LazyLock::new(|| KnownModels::parse(include_str!("../data/embeddings.toml")));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_known_embeddings_is_valid() {
        for known in &KNOWN.model {
            let mut settings = EmbeddingSettings::named(&known.name);
            settings.fill_in_known();
            assert_eq!(settings.problems(false), Vec::<String>::new());
            assert_eq!(settings.price, Some(known.price));
        }
    }

    #[test]
    fn a_known_model_elsewhere_gets_neither_key_nor_price() {
        let mut settings = EmbeddingSettings::named("text-embedding-ada-002");
        settings.base_url = Some("http://127.0.0.1:9/v1".to_owned());
        settings.fill_in_known();
        assert_eq!((settings.api_key_env, settings.price), (None, None));
    }

    #[test]
    fn invalid_settings_are_named() {
        let mut settings = EmbeddingSettings::named("mine");
        settings.batch = 0;
        settings.limits.calls_in_flight = 0;
        settings.price = Some(EmbeddingPrice { input_usd_per_million: -1.0 });
        settings.extra_body.insert("input".to_owned(), 1.into());
        let problems = settings.problems(false);
        let expected = ["price -1", "limits.calls_in_flight 0", "missing base_url", "batch 0", "extra_body.input"];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.starts_with("embeddings \"mine\": ") && problem.contains(part), "{problem}");
        }
        assert!(EmbeddingSettings::named("mine").problems(true).is_empty(), "a simulated provider needs no address");
    }
}
