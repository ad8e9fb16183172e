//! Tables of known models: their addresses, key variables and prices.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A table of models with prices of type `P`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownModels<P> {
    pub(crate) model: Vec<KnownModel<P>>,
}

/// A model with a known address and price.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownModel<P> {
    pub(crate) name: String,
    base_url: String,
    api_key_env: String,
    pub(crate) price: P,
    #[serde(default)]
    extra_body: Map<String, Value>,
    /// The source of the price, with the date.
    #[expect(dead_code, reason = "for whoever reads or updates the table")]
    source: String,
}

/// What is known of a model.
pub(crate) struct Known<'a, P> {
    pub(crate) base_url: &'a str,
    pub(crate) api_key_env: &'a str,
    pub(crate) price: &'a P,
    pub(crate) extra_body: &'a Map<String, Value>,
}

/// The settings of a model that a table may complete.
pub(crate) struct Incomplete<'a, P> {
    pub(crate) base_url: &'a mut Option<String>,
    pub(crate) api_key_env: &'a mut Option<String>,
    pub(crate) has_key_file: bool,
    pub(crate) price: &'a mut Option<P>,
    pub(crate) extra_body: &'a mut Map<String, Value>,
}

impl<P: Clone + DeserializeOwned> KnownModels<P> {
    /// Reads a table of this program.
    pub(crate) fn parse(table: &str) -> Self {
        toml::from_str(table).expect("a test reads each table of known models")
    }

    /// The names of the known models, as a message lists them.
    pub(crate) fn names(&self) -> String {
        self.model.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Fills in what is missing in the settings of a known model.
    pub(crate) fn complete(&self, name: &str, settings: Incomplete<'_, P>) {
        let Some(known) = self.model.iter().find(|known| known.name == name) else { return };
        let KnownModel { base_url, api_key_env, price, extra_body, .. } = known;
        settings.complete(&Known { base_url, api_key_env, price, extra_body });
    }
}

impl<P: Clone> Incomplete<'_, P> {
    /// Fills in what is missing.
    pub(crate) fn complete(self, known: &Known<'_, P>) {
        // Another address is another provider, with its own key, prices and fields.
        let is_elsewhere = self.base_url.as_ref().is_some_and(|url| *url != known.base_url);
        if is_elsewhere {
            return;
        }
        *self.base_url = Some(known.base_url.to_owned());
        if !self.has_key_file {
            self.api_key_env.get_or_insert_with(|| known.api_key_env.to_owned());
        }
        self.price.get_or_insert_with(|| known.price.clone());
        for (field, value) in known.extra_body {
            self.extra_body.entry(field.clone()).or_insert_with(|| value.clone());
        }
    }
}
