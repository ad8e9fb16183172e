//! `valuesim cost`: the bill of a run, from its ledger alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde::Serialize;
use valuesim_coordinator::bill::{Bill, Comparison, UsageExport, compare, csv, text};
use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::small_file::{MAX_TABLE_FILE, read_text};

use super::prices;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::{print, print_json};
use crate::redb_panic::guarded;
use crate::run_folder::RunFolder;

/// What `valuesim cost` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run: its id, or the path of its folder
    run: PathBuf,

    /// The folder that holds the run folders
    #[arg(long, value_name = "DIR", env = "VALUESIM_RUNS", default_value = "runs")]
    runs: PathBuf,

    /// How to write the bill
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: Format,

    /// What the run would have cost at the prices of this file: this program's, LiteLLM's, or that of genai-prices
    #[arg(long, value_name = "FILE")]
    at_prices: Option<PathBuf>,

    /// The provider's own usage to compare with: OpenAI's usage in JSON, or a CSV file (docs/money.md)
    #[arg(long, value_name = "EXPORT")]
    compare: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Comma-separated values, amounts in billionths of a dollar
    Csv,
    /// One JSON object
    Json,
}

/// The bill and what it is compared with, as JSON.
#[derive(Serialize)]
struct Output<'a> {
    bill: &'a Bill,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
}

/// Prints the bill.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    if flags.compare.is_some() && flags.format == Format::Csv {
        return Err(anyhow!("the CSV of a bill has no place for --compare: choose --format table or json")).or_usage();
    }
    let folder = RunFolder::find(&flags.runs, &flags.run).or_usage()?;
    folder.check_unused().or_not_looked()?;
    let table = flags.at_prices.as_deref().map(prices::read).transpose()?;
    let export = flags.compare.as_deref().map(read_export).transpose().or_usage()?;
    let experiment = folder.experiment()?;
    let bill = guarded(&folder, || Ok(Bill::of(&Ledger::view(&folder.ledger())?, &experiment, table.as_ref())?))?;
    let comparison = export.map(|export| compare(&bill, &export));
    match flags.format {
        Format::Table => print(&(text(&bill) + &comparison.as_ref().map_or_else(String::new, Comparison::text)))?,
        Format::Csv => print(&csv(&bill))?,
        Format::Json => print_json(&Output { bill: &bill, comparison: comparison.as_ref() })?,
    };
    Ok(Exit::Done)
}

fn read_export(path: &Path) -> anyhow::Result<UsageExport> {
    let text =
        read_text(path, MAX_TABLE_FILE).with_context(|| format!("read the provider's usage {}", path.display()))?;
    UsageExport::read(&text).map_err(|error| anyhow!("the provider's usage {}: {error}", path.display()))
}
