//! Checks the settings that language models and models of embeddings have in common.

use serde_json::{Map, Value};

use crate::permit::{Limits, MAX_CALLS_IN_FLIGHT};
use crate::price::Price;

/// The most prompts that a provider may have to see before its cache works. DeepSeek has to see two.
const MAX_CACHE_AFTER: u8 = 4;

/// Where a model's calls go, in an experiment.
pub(crate) struct Address<'a> {
    /// The base URL, if the experiment or a table of known models has one.
    pub(crate) base_url: Option<&'a str>,
    /// Whether the provider is simulated, and needs no address.
    pub(crate) is_simulated: bool,
    /// The models whose address is known, as a message names them.
    pub(crate) known: String,
}

/// Collects the problems of one model's settings, each as a sentence for the user.
pub(crate) struct SettingsProblems<'a> {
    /// What the model is called in messages, such as `embeddings`.
    kind: &'static str,
    name: &'a str,
    found: Vec<String>,
}

impl<'a> SettingsProblems<'a> {
    /// Checks the name of a model.
    pub(crate) fn of(kind: &'static str, name: &'a str) -> Self {
        let mut problems = Self { kind, name, found: Vec::new() };
        if name.trim().is_empty() {
            problems.add("expected a name");
        }
        problems
    }

    /// Adds a problem.
    pub(crate) fn add(&mut self, problem: &str) {
        self.found.push(format!("{} {:?}: {problem}", self.kind, self.name));
    }

    /// Checks the price.
    pub(crate) fn check_price(&mut self, price: Option<&Price>) {
        if let Some(usd) = price.and_then(Price::implausible) {
            self.add(&format!("price {usd}: expected US dollars per million tokens, 0 to 1000000"));
        }
    }

    /// Checks the limits. `max_output_tokens` is the longest reply to request, if that is limited.
    pub(crate) fn check_limits(&mut self, limits: Limits, max_output_tokens: Option<u32>) {
        let Limits { calls_in_flight, requests_per_minute, tokens_per_minute } = limits;
        if calls_in_flight == 0 || calls_in_flight > MAX_CALLS_IN_FLIGHT {
            self.add(&format!("limits.calls_in_flight {calls_in_flight}: expected 1 to {MAX_CALLS_IN_FLIGHT}"));
        }
        if requests_per_minute == Some(0) || tokens_per_minute == Some(0) || max_output_tokens == Some(0) {
            self.add("a limit of 0 blocks all calls: leave it out for no limit");
        }
    }

    /// Checks after how many prompts the provider's cache works.
    pub(crate) fn check_cache_after(&mut self, cache_after: Option<u8>) {
        if let Some(prompts) = cache_after.filter(|&prompts| prompts > MAX_CACHE_AFTER) {
            self.add(&format!(
                "cache_after {prompts}: expected 0 (the provider has no cache) to {MAX_CACHE_AFTER} prompts; each makes a cell's calls \
                 wait for one more"
            ));
        }
    }

    /// Checks the address.
    pub(crate) fn check_address(&mut self, Address { base_url, is_simulated, known }: Address<'_>) {
        match base_url {
            Some(url) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                self.add(&format!("base_url {url:?}: expected http://... or https://..."));
            }
            None if !is_simulated => self.add(&format!(
                "missing base_url: set it to the address of the provider's API (not needed for {known})"
            )),
            _ => {}
        }
    }

    /// Checks that the additional fields of the request body are none of `refused`, and says why they must not be.
    pub(crate) fn check_extra_body(&mut self, extra_body: &Map<String, Value>, refused: &[&str], reason: &str) {
        for field in refused.iter().filter(|field| extra_body.contains_key(**field)) {
            self.add(&format!("extra_body.{field}: {reason}; leave it out"));
        }
    }

    /// The problems, in the order in which they were found.
    pub(crate) fn into_sentences(self) -> Vec<String> {
        self.found
    }
}
