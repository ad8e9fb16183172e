//! A dated table of prices: which model costs what at which host, and until when it is served.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Price, Variant};
use crate::day::Day;
use crate::small_file::excerpt;

/// The longest text of a file that an error repeats, in characters.
const MAX_SHOWN: usize = 200;

/// The most entries that an error names.
const MAX_NAMED: usize = 20;

/// A dated table of prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// Which table this is: the day on which it was made, and its source if it was imported.
    pub version: String,
    /// Hosts of models whose addresses it does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts_without_address: Vec<String>,
    /// Where models are served.
    #[serde(rename = "host", default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Host>,
    /// The models.
    #[serde(rename = "model")]
    pub models: Vec<PricedModel>,
}

/// Where models are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name in the table.
    pub name: String,
    /// The address of its API.
    pub base_url: String,
    /// The variable that usually contains its key.
    pub api_key_env: String,
    /// The page on which it lists its prices.
    pub prices_from: String,
}

/// A model with its price at a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricedModel {
    /// Its name at the host.
    pub name: String,
    /// The host's name in the table.
    pub host: String,
    /// The day on which the host retires it, if that is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<Day>,
    /// The model that the host recommends in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// Fields of the request body that the method needs with this model.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra_body: Map<String, Value>,
    /// What it costs.
    pub price: Price,
}

/// Why a text is no table of prices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// It is not written as one.
    #[error("expected a table of prices in TOML, or the JSON of LiteLLM or genai-prices: {0}")]
    Unreadable(String),
    /// An entry's price is not plausible.
    #[error("{model:?}: price {usd}: expected US dollars per million tokens, 0 to 1000000")]
    Implausible {
        /// The entry.
        model: String,
        /// Its price.
        usd: String,
    },
    /// An entry cannot be used.
    #[error("{model:?}: {reason}")]
    Entry {
        /// The entry.
        model: String,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// Several entries cannot be used.
    #[error("{}", named(.0))]
    Several(Vec<TableError>),
    /// Nothing in it has a price.
    #[error("no language model with a price is in it")]
    Empty,
}

/// Errors in words, a line for each of the first.
fn named(errors: &[TableError]) -> String {
    let mut lines: Vec<String> = errors.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    if errors.len() > MAX_NAMED {
        lines.push(format!("and {} more", errors.len() - MAX_NAMED));
    }
    lines.join("\n  ")
}

impl TableError {
    /// An entry that cannot be used.
    pub(super) fn entry(model: &str, reason: &str) -> Self {
        Self::Entry { model: excerpt(model, MAX_SHOWN), reason: excerpt(reason, MAX_SHOWN) }
    }

    /// These errors as one, if there are any.
    pub(super) fn of_all(mut errors: Vec<Self>) -> Option<Self> {
        if errors.len() > 1 { Some(Self::Several(errors)) } else { errors.pop() }
    }

    /// The error of TOML that cannot be read, with its line and without the text of it, which may be long.
    fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        Self::Unreadable(format!("line {line}: {}", excerpt(error.message(), MAX_SHOWN)))
    }

    /// The entry that it is about.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Implausible { model, .. } | Self::Entry { model, .. } => Some(model),
            Self::Unreadable(_) | Self::Several(_) | Self::Empty => None,
        }
    }
}

impl PriceTable {
    /// The table of this release.
    pub fn built_in() -> &'static Self {
        static TABLE: LazyLock<PriceTable> = LazyLock::new(|| {
            PriceTable::from_toml(include_str!("../../data/prices.toml")).expect("a test reads the table of prices")
        });
        &TABLE
    }

    /// Reads a table in TOML and checks it. Its prices get its version.
    pub fn from_toml(text: &str) -> Result<Self, TableError> {
        let table: Self = toml::from_str(text).map_err(|error| TableError::of_toml(text, &error))?;
        let contradictions = table.contradictions();
        table.checked(contradictions)
    }

    /// The table in TOML.
    ///
    /// # Panics
    /// Never: all maps of a table have text keys.
    pub fn to_toml(&self) -> String {
        let mut table = self.clone();
        table.models.iter_mut().for_each(|model| model.price.version = None);
        toml::to_string(&table).expect("a table of prices can be written as TOML")
    }

    /// The table, with its version in each of its prices, if it is sound and nothing else is wrong.
    pub(super) fn checked(mut self, mut wrong: Vec<TableError>) -> Result<Self, TableError> {
        wrong.extend(self.models.iter().filter_map(|model| self.problem(model)));
        if let Some(error) = TableError::of_all(wrong) {
            return Err(error);
        }
        if self.models.is_empty() {
            return Err(TableError::Empty);
        }
        self.models.iter_mut().for_each(|model| model.price.version = Some(self.version.clone()));
        Ok(self)
    }

    /// Why an entry cannot be used.
    pub(super) fn problem(&self, model: &PricedModel) -> Option<TableError> {
        if let Some(usd) = model.price.implausible() {
            let name = excerpt(&model.name, MAX_SHOWN);
            return Some(TableError::Implausible { model: name, usd: usd.to_string() });
        }
        let mut known = self.hosts.iter().map(|host| &host.name).chain(&self.hosts_without_address);
        if !self.hosts.is_empty() && !known.any(|name| *name == model.host) {
            let reason = format!("the host {:?} is not in the table: add a [[host]] with this name", model.host);
            return Some(TableError::entry(&model.name, &reason));
        }
        let reason = model.price.variants.iter().find_map(never_applies)?;
        Some(TableError::entry(&model.name, &reason))
    }

    /// The models that are in the table twice at one host, with different prices.
    pub fn contradictions(&self) -> Vec<TableError> {
        let mut first: HashMap<(&str, &str), &Price> = HashMap::new();
        let mut found = Vec::new();
        for PricedModel { name, host, price, .. } in &self.models {
            if *first.entry((name, host)).or_insert(price) != price {
                let reason = format!("it is in the table twice at the host {host:?}, with different prices: keep one");
                found.push(TableError::entry(name, &reason));
            }
        }
        found
    }

    /// The host of a model.
    pub fn host(&self, model: &PricedModel) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == model.host)
    }

    /// The model with this name at this address. At an address that no host of the table has, it is one of a host without an
    /// address, if all of these cost the same. If no address is given, it is the first with this name.
    pub fn find(&self, name: &str, base_url: Option<&str>) -> Option<&PricedModel> {
        let mut named = self.models.iter().filter(|model| model.name == name);
        let Some(url) = base_url else { return named.next() };
        if let Some(host) = self.hosts.iter().find(|host| host.base_url == url) {
            return named.find(|model| model.host == host.name);
        }
        let mut elsewhere = named.filter(|model| self.host(model).is_none());
        let first = elsewhere.next()?;
        elsewhere.all(|other| other.price == first.price).then_some(first)
    }
}

/// Why a variant can apply to no call.
fn never_applies(variant: &Variant) -> Option<String> {
    if let (Some(since), Some(until)) = (variant.since, variant.until)
        && since > until
    {
        return Some(format!("a variant begins on {since}, after its end on {until}: exchange since and until"));
    }
    let is_blank = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    if is_blank(&variant.service_tier) || is_blank(&variant.model) {
        return Some("a variant has an empty service_tier or model: name one, or leave the field out".to_owned());
    }
    None
}

impl PricedModel {
    /// A warning if the host has retired the model or will within so many days.
    pub fn retirement(&self, today: Day, within_days: u32) -> Option<String> {
        let retires = self.retires.filter(|day| day.0 <= today.0.saturating_add(within_days))?;
        let successor = self.successor.as_ref().map_or_else(String::new, |name| format!("; its successor is {name}"));
        let name = &self.name;
        Some(if retires < today {
            format!("{name} was retired by its vendor on {retires}{successor}")
        } else {
            format!("{name} will be retired by its vendor on {retires}{successor}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "version = 'v1'
        [[host]]
        name = 'h'
        base_url = 'https://h.example/v1'
        api_key_env = 'H'
        prices_from = 'h.example/prices'
        [[model]]
        name = 'm'
        host = 'h'
        retires = '2026-12-01'
        successor = 'n'
        price = { input_usd_per_million = 1, output_usd_per_million = 2 }";

    #[test]
    fn the_table_of_this_release_is_sound_and_holds_the_vendors() {
        let table = PriceTable::built_in();
        assert!(table.models.len() >= 40, "{}", table.models.len());
        for host in ["openai", "deepseek", "anthropic", "google", "qwen", "mistral", "deepinfra", "together"] {
            assert!(table.models.iter().any(|model| model.host == host), "{host}");
        }
        let mini = table.find("gpt-4o-mini", None).expect("is in it");
        assert_eq!(mini.price.version.as_deref(), Some("2026-11-27"));
    }

    #[test]
    fn a_model_is_found_at_its_own_address_alone() {
        let table = PriceTable::from_toml(SMALL).expect("is sound");
        assert!(table.find("m", None).is_some() && table.find("m", Some("https://h.example/v1")).is_some());
        assert!(table.find("m", Some("https://other.example/v1")).is_none() && table.find("n", None).is_none());
    }

    #[test]
    fn a_retirement_is_told_in_time_with_the_successor() {
        let table = PriceTable::from_toml(SMALL).expect("is sound");
        let told = |today: &str| table.models[0].retirement(today.parse().expect("a day"), 90);
        assert_eq!(told("2026-08-01"), None);
        assert!(
            told("2026-11-27")
                .is_some_and(|text| text == "m will be retired by its vendor on 2026-12-01; its successor is n")
        );
        assert!(told("2026-12-02").is_some_and(|text| text.starts_with("m was retired by its vendor on 2026-12-01")));
    }

    #[test]
    fn a_file_that_is_no_table_is_refused_with_the_reason() {
        let check = |text: &str, expected: &str| {
            let error = PriceTable::from_toml(text).expect_err("is refused").to_string();
            assert!(error.contains(expected) && error.len() < 1_000, "{error}");
        };
        check("respondent,Q1\n1,2", "expected a table of prices");
        check(&SMALL.replace("= 2 }", "= -2 }"), "\"m\": price -2");
        check(&SMALL.replace("host = 'h'", "host = 'x'"), "the host \"x\" is not in the table");
        let variant = |text: &str| {
            SMALL.replace(
                "= 2 }",
                &format!("= 2, variants = [{{ {text}, input_usd_per_million = 1, output_usd_per_million = 1 }}] }}"),
            )
        };
        check(
            &variant("since = '2026-02-01', until = '2026-01-01'"),
            "\"m\": a variant begins on 2026-02-01, after its end",
        );
        check(&variant("service_tier = ' '"), "\"m\": a variant has an empty service_tier");
        assert!(PriceTable::from_toml(&variant("hours = [], days = []")).is_ok(), "no hours are all hours");
        let twice = format!(
            "{SMALL}\n[[model]]\nname = 'm'\nhost = 'h'\nprice = {{ input_usd_per_million = 3, output_usd_per_million = 2 }}"
        );
        check(&twice, "\"m\": it is in the table twice at the host \"h\"");
        assert!(
            PriceTable::from_toml(&twice.replace("= 3,", "= 1,")).is_ok(),
            "the same price twice is no contradiction"
        );
        check(
            &SMALL.replace("name = 'm'", &format!("name = '{}'", "m".repeat(100_000))).replace("= 2 }", "= -2 }"),
            "…",
        );
        check(&"x".repeat(100_000), "line 1:");
        check("version = 'v1'\nmodel = []", "no language model with a price");
        check(&SMALL.replace("'2026-12-01'", "'soon'"), "\"soon\" is not a day");
    }
}
