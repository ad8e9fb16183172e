//! Checks the settings that language models and models of embeddings have in common.

use serde_json::{Map, Value};

use crate::permit::{Limits, MAX_CALLS_IN_FLIGHT, TokenKind};
use crate::price::Price;

/// The most prompts that a provider may have to see before its cache works. DeepSeek has to see two.
const MAX_CACHE_AFTER: u8 = 4;

/// The longest name of a key, in bytes.
const MAX_KEY_NAME: usize = 64;

/// The shortest part of a key between `-` and `_`, in bytes, by which it is told from a name.
const SHORTEST_KEY_PART: usize = 16;

/// Where a model's calls go, in an experiment.
pub(crate) struct Address<'a> {
    /// The setting that has it.
    pub(crate) field: &'static str,
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
        if !is_plain(name) {
            problems
                .add("its name has a line break, a control character or a mark of direction: expected printable text");
        }
        problems
    }

    /// Adds a problem.
    pub(crate) fn add(&mut self, problem: &str) {
        self.found.push(format!("{} {:?}: {problem}", self.kind, self.name));
    }

    /// Checks where the key is said to be. What is no name is not shown: it may be the key itself.
    pub(crate) fn check_key(&mut self, variable: Option<&str>, name: Option<&str>) {
        if variable.is_some_and(|variable| !is_variable(variable)) {
            self.add(
                "api_key_env (--api-key-env): expected the name of an environment variable, such as OPENAI_API_KEY, and not the key; what \
                 stands there is not shown",
            );
        }
        if name.is_some_and(|name| !is_key_name(name)) {
            self.add(
                "api_key_name (--api-key-name): expected 1 to 64 letters, digits, `-` and `_`, such as openai, and not the key; what stands there is \
                 not shown",
            );
        }
    }

    /// Checks the price.
    pub(crate) fn check_price(&mut self, price: Option<&Price>) {
        if let Some(usd) = price.and_then(Price::implausible) {
            self.add(&format!("price {usd}: expected US dollars per million tokens, 0 to 1000000"));
        }
    }

    /// Checks the limits. `max_output_tokens` is the longest reply to request, if that is limited.
    pub(crate) fn check_limits(&mut self, limits: Limits, max_output_tokens: Option<u32>) {
        let Limits { calls_in_flight, requests_per_minute, total_calls_in_flight, .. } = limits;
        if calls_in_flight == 0 || calls_in_flight > MAX_CALLS_IN_FLIGHT {
            self.add(&format!("limits.calls_in_flight {calls_in_flight}: expected 1 to {MAX_CALLS_IN_FLIGHT}"));
        }
        let tokens = limits.tokens_a_minute();
        let is_zero = TokenKind::KINDS.iter().any(|&kind| *tokens.get(kind) == Some(0));
        let zero = [
            ("max_output_tokens", max_output_tokens == Some(0)),
            ("limits.requests_per_minute", requests_per_minute == Some(0)),
            ("limits.total_calls_in_flight", total_calls_in_flight == Some(0)),
            ("limits: a number of tokens per minute", is_zero),
        ];
        for (setting, _) in zero.iter().filter(|(_, is_zero)| *is_zero) {
            self.add(&format!("{setting} is 0: a limit of 0 blocks all calls: leave it out for no limit"));
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
    pub(crate) fn check_address(&mut self, Address { field, base_url, is_simulated, known }: Address<'_>) {
        match base_url {
            Some(url) if holds_a_secret(url) => self.add(&format!(
                "{field}: it contains a key, a user name or a password, and is not shown for that; put the key into a variable or file \
                 (api_key_env, api_key_file)"
            )),
            Some(url) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                self.add(&format!("{field} {:?}: expected http://... or https://...", shown(url)));
            }
            None if !is_simulated => self.add(&format!(
                "missing {field}: set it to the address of the provider's API (not needed for {known})"
            )),
            _ => {}
        }
    }

    /// Checks the further addresses that serve the same model.
    pub(crate) fn check_replicas(&mut self, base_url: Option<&str>, replicas: &[String]) {
        for (at, url) in replicas.iter().enumerate() {
            let is_twice = base_url == Some(url) || replicas[..at].contains(url);
            if is_twice && !holds_a_secret(url) {
                let url = shown(url);
                self.add(&format!(
                    "replicas {url:?}: listed twice; expected each address once, and none that is base_url"
                ));
            }
            let address = Address { field: "replicas", base_url: Some(url), is_simulated: false, known: String::new() };
            self.check_address(address);
        }
        if replicas.len() > MAX_REPLICAS {
            self.add(&format!("replicas: {} addresses; expected at most {MAX_REPLICAS}", replicas.len()));
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

/// Whether a text neither breaks a line nor controls or turns what shows it: no control characters (Unicode category Cc), and none of
/// the marks, embeddings, overrides and isolates of the bidirectional algorithm (Unicode Standard Annex 9).
pub fn is_plain(text: &str) -> bool {
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.contains(|c: char| c.is_control() || turns(c))
}

/// More addresses of one model than this are a mistake, or belong behind a load balancer.
const MAX_REPLICAS: usize = 64;

/// Names of an address's parameters, or parts of them, whose values are secrets.
const SECRET_PARAMETERS: [&str; 8] = ["key", "token", "secret", "passw", "auth", "sig", "credential", "code"];

/// Whether an address contains a user name, a password or a key (`?api_key=`), or looks like a key itself.
pub fn holds_a_secret(address: &str) -> bool {
    let host_at = address.find("://").map_or(0, |at| at + "://".len());
    let after_host = address[host_at..].find(['/', '?', '#', '\\']).map_or(address.len(), |at| host_at + at);
    let has_user = address[host_at..after_host].contains('@');
    let names = address.split(['?', '&', '#', ';']).skip(1).map(|part| part.split('=').next().unwrap_or_default());
    let has_secret =
        names.map(str::to_ascii_lowercase).any(|name| SECRET_PARAMETERS.iter().any(|part| name.contains(part)));
    let is_a_key = host_at == 0 && address.split(|c: char| !c.is_ascii_alphanumeric()).any(looks_like_a_key);
    has_user || has_secret || is_a_key
}

/// An address as an error may show it: three dots if a part of it may be a key or a password, whatever is wrong with the rest.
pub fn shown(address: &str) -> &str {
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%?&+, ".contains(c) || !c.is_ascii();
    let is_suspect = address.split(|c: char| !c.is_ascii_alphanumeric()).any(looks_like_a_key);
    if address.chars().all(is_harmless) && !is_suspect && !holds_a_secret(address) { address } else { "..." }
}

/// Whether a text may be the name of a variable, and is no key: those have long parts with small letters and digits.
pub(super) fn is_variable(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && text.chars().all(is_plain) && !text.split('_').any(looks_like_a_key)
}

/// Whether a text may be the name of a key in a worker's list.
pub(super) fn is_key_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_short = (1..=MAX_KEY_NAME).contains(&text.len());
    is_short && text.chars().all(is_plain) && !text.split(['-', '_']).any(looks_like_a_key)
}

fn looks_like_a_key(part: &str) -> bool {
    let has = |of: fn(&u8) -> bool| part.as_bytes().iter().any(of);
    part.len() >= SHORTEST_KEY_PART && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_secret_is_refused_and_not_shown() {
        let check = |url: &str, is_refused: bool| {
            let mut problems = SettingsProblems::of("model", "m");
            problems.check_address(Address {
                field: "base_url",
                base_url: Some(url),
                is_simulated: false,
                known: String::new(),
            });
            let said = problems.into_sentences().join("\n");
            assert_eq!(!said.is_empty(), is_refused, "{url} {said}");
            assert!(!said.contains("hush"), "{said}");
        };
        check("https://h.example/v1?api_key=hush", true);
        check("https://h.example/v1?api-version=1&Subscription-Key=hush", true);
        check("https://h.example/v1#access_token=hush", true);
        check("https://me:hush@h.example/v1", true);
        check("https://hush@h.example", true);
        check("hush0123456789abcdef", true);
        check("https://h.example/v1?api-version=2024-10-21", false);
        check("https://h.example/@me/v1", false);
    }

    #[test]
    fn a_key_where_its_name_belongs_is_refused_and_not_shown() {
        for key in ["sk-proj-abc", "sk_live_51H8abcdefghij12", "AIzaSyD9tSrke72PouQMnMX", "", "two words", "9KEY"] {
            let mut problems = SettingsProblems::of("model", "m");
            problems.check_key(Some(key), None);
            let said = problems.into_sentences().join("\n");
            assert!(said.contains("--api-key-env") && (key.is_empty() || !said.contains(key)), "{key} {said}");
        }
        for name in ["OPENAI_API_KEY", "my_provider_key_2", "_K"] {
            assert!(is_variable(name), "{name}");
        }
        let mut problems = SettingsProblems::of("model", "m");
        problems.check_key(None, Some("sk-proj-abcdefghijk12345"));
        assert!(problems.into_sentences()[0].contains("--api-key-name"));
        assert!(is_key_name("openai-2") && !is_key_name("a b") && !is_key_name(""));
    }
}
