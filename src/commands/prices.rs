//! `valuesim prices`: lists known prices, imports those of others, and checks a table of prices.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use valuesim_shared::day::Day;
use valuesim_shared::price::import::{self, Import};
use valuesim_shared::price::{Price, PriceTable, PricedModel, TableError};
use valuesim_shared::small_file::{MAX_TABLE_FILE, read_text};

use crate::columns::{NOTHING, columns};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::{note, print};

/// Days before a model's retirement from which `check` mentions it.
const RETIRES_SOON_DAYS: u32 = 90;

/// The most entries that `import` names of those that it leaves out.
const MAX_WARNINGS: usize = 20;

/// What `valuesim prices` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the prices that this release knows, or those of a file
    List(ListFlags),
    /// Turn LiteLLM's `model_prices_and_context_window.json` or the data of genai-prices into a table for --prices
    Import(ImportFlags),
    /// Check a file of prices: this program's, LiteLLM's, or that of genai-prices
    Check(CheckFlags),
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// A file of prices instead of those of this release
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,

    /// Print the table in TOML, as --prices reads it
    #[arg(long)]
    toml: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportFlags {
    /// The file to import
    file: PathBuf,

    /// Import only these models, by name [default: all language models with a price]
    #[arg(long = "model", value_name = "NAME,...", value_delimiter = ',')]
    models: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    /// The file to check [default: the prices of this release]
    file: Option<PathBuf>,
}

/// Executes the verb.
pub(crate) fn run(verb: &Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::List(ListFlags { prices, toml }) => {
            let table = table(prices.as_deref())?;
            print(&if *toml { table.to_toml() } else { listed(&table) })?;
        }
        Verb::Import(ImportFlags { file, models }) => {
            print(&imported(read_by(file, import::read_sound)?, models).or_usage()?.to_toml())?;
        }
        Verb::Check(CheckFlags { file }) => {
            let table = table(file.as_deref())?;
            uncontradicted(&table).or_usage()?;
            check(&table)?;
        }
    }
    Ok(Exit::Done)
}

/// The table of a file, or that of this release.
fn table(file: Option<&Path>) -> Result<PriceTable, Failure> {
    file.map_or_else(|| Ok(PriceTable::built_in().clone()), read)
}

/// Reads a file of prices. Its name and today's date are the version of an imported table.
pub(in crate::commands) fn read(file: &Path) -> Result<PriceTable, Failure> {
    read_by(file, import::read)
}

fn read_by<T>(file: &Path, read: impl Fn(&str, &str) -> Result<T, TableError>) -> Result<T, Failure> {
    let text =
        read_text(file, MAX_TABLE_FILE).with_context(|| format!("read the prices {}", file.display())).or_usage()?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let version = format!("{name}, imported on {}", Day::of(std::time::SystemTime::now()));
    read(&text, &version).map_err(|error| anyhow!("the prices {}: {error}", file.display())).or_usage()
}

/// The imported table with these models alone, all if none is named; says what is left out.
fn imported(import: Import, names: &[String]) -> anyhow::Result<PriceTable> {
    let Import { table, wrong, unpriced } = import;
    if !names.is_empty() {
        return only(table, names, &wrong, &unpriced);
    }
    for error in wrong.iter().take(MAX_WARNINGS) {
        note(&format!("warning: left out: {error}"));
    }
    if wrong.len() > MAX_WARNINGS {
        note(&format!(
            "warning: left out: {} more entries that are wrong; `valuesim prices check` names them",
            wrong.len() - MAX_WARNINGS
        ));
    }
    if !unpriced.is_empty() {
        note(&format!(
            "left out, without a price of input or of output: {}",
            counted(unpriced.len(), "model", "models")
        ));
    }
    Ok(table)
}

/// The table with these models alone.
fn only(table: PriceTable, names: &[String], wrong: &[TableError], unpriced: &[String]) -> anyhow::Result<PriceTable> {
    // LiteLLM writes the host before the name.
    let is =
        |entry: &str, name: &str| entry == name || entry.strip_suffix(name).is_some_and(|host| host.ends_with('/'));
    for name in names {
        if let Some(error) = wrong.iter().find(|error| error.model().is_some_and(|entry| is(entry, name))) {
            return Err(anyhow!("{error}"));
        }
        if table.models.iter().any(|model| model.name == *name) {
            continue;
        }
        let reason = if unpriced.iter().any(|entry| is(entry, name)) {
            format!("the file has no price of input or of output for {name:?}")
        } else {
            format!("the file has no price of a model {name:?}; list its names with `valuesim prices list --prices`")
        };
        return Err(anyhow!(reason));
    }
    let models = table.models.into_iter().filter(|model| names.contains(&model.name)).collect();
    Ok(PriceTable { models, ..table })
}

/// A number of things, in words.
fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn listed(table: &PriceTable) -> String {
    let head =
        ["model", "host", "input", "cached", "cache write", "output", "other rates", "retires"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(table.models.iter().map(row)).collect();
    format!("US dollars for a million tokens, table of {}\n{}", table.version, columns("  ", &rows))
}

fn row(PricedModel { name, host, retires, price, .. }: &PricedModel) -> [String; 8] {
    let or_nothing = |usd: Option<f64>| usd.map_or_else(|| NOTHING.to_owned(), |usd| usd.to_string());
    [
        name.clone(),
        host.clone(),
        price.input_usd_per_million.to_string(),
        or_nothing(price.cached_usd_per_million),
        or_nothing(price.cache_write_usd_per_million),
        price.output_usd_per_million.to_string(),
        other_rates(price),
        retires.map_or_else(|| NOTHING.to_owned(), |day| day.to_string()),
    ]
}

/// What a model's other rates depend on.
fn other_rates(price: &Price) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for variant in &price.variants {
        let kind = match (&variant.service_tier, variant.above_input_tokens, variant.since) {
            (Some(tier), _, _) => tier.clone(),
            (None, Some(above), _) => format!("above {above}"),
            (None, None, Some(day)) => format!("from {day}"),
            (None, None, None) => "by hour".to_owned(),
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() { NOTHING.to_owned() } else { kinds.join(", ") }
}

/// Refuses a table that others made in which a model costs two prices at one host.
fn uncontradicted(table: &PriceTable) -> anyhow::Result<()> {
    let found = table.contradictions();
    if found.is_empty() { Ok(()) } else { Err(TableError::Several(found).into()) }
}

/// Says that a table is sound, and which of its models are or soon will be retired.
fn check(table: &PriceTable) -> anyhow::Result<()> {
    let today = Day::of(std::time::SystemTime::now());
    for warning in table.models.iter().filter_map(|model| model.retirement(today, RETIRES_SOON_DAYS)) {
        note(&format!("warning: {warning}"));
    }
    let models = counted(table.models.len(), "model", "models");
    print(&format!("sound: {models}, table of {}\n", table.version)).map(drop)
}
