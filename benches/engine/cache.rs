//! How much of its prompts a provider reads from its prefix cache, and what that saves, with many calls in flight.
//!
//! What could be read from the cache is what is read when the same calls are made one after the other. The paper's program is
//! played by [`crate::reference_order`], with the same calls.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::command::valuesim_run;
use crate::process::{Provider, finish};
use crate::reference_order::replay;
use crate::table::{Bound, Table};

const LATENCY: Duration = Duration::from_millis(300);
const IN_FLIGHT: usize = 256;

/// The latency for the reference's order: what is read from the cache does not depend on it.
const REFERENCE_LATENCY: Duration = Duration::from_millis(30);

/// Respondents, in all five folds.
const USERS: &str = "10";

/// The least share of what could be read from the cache.
const LEAST_SHARE: f64 = 0.97;

/// A model's prices in the table: its name, and US dollars for a million tokens of input, of input from the cache, and of output.
type Prices = (&'static str, [f64; 3]);

/// The paper's model, and the one that its vendor has replaced it by (api-docs.deepseek.com).
const PRICES: [Prices; 2] = [("deepseek-chat", [0.28, 0.028, 0.42]), ("deepseek-flash", [0.15, 0.003, 0.6])];

/// The most that the input may cost in relation to the reference's order.
const MOST_OF_REFERENCE: f64 = 0.5;

/// A kind of cache: what it is called, its flags, and after how many prompts it works.
const CACHES: [(&str, &[&str], &str); 2] = [
    ("vLLM's rule, 64-token blocks", &["--cache", "vllm", "--cache-block-tokens", "64"], "1"),
    ("DeepSeek's rule", &["--cache", "deepseek"], "2"),
];

/// The tokens that a provider counted.
struct Tokens {
    input: f64,
    cached: f64,
    output: f64,
}

impl Tokens {
    fn input_usd(&self, [input, cached, _]: [f64; 3]) -> f64 {
        ((self.input - self.cached) * input + self.cached * cached) / 1e6
    }

    fn usd(&self, prices: [f64; 3]) -> f64 {
        self.input_usd(prices) + self.output * prices[2] / 1e6
    }
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    for (name, flags, cache_after) in CACHES {
        let runs = tempfile::tempdir()?;
        let could = tokens(Duration::ZERO, flags, (1, cache_after), Some(runs.path()))?;
        table.add(format!("{name}: input that could be cached"), could.cached / could.input, Bound::None);
        let reference = in_reference_order(runs.path(), flags)?;
        let of_reference = reference.cached / reference.input;
        table.add(format!("{name}: input cached in the reference's order"), of_reference, Bound::None);
        for replicas in ["1", "4"] {
            let all = [flags, &["--replicas", replicas]].concat();
            let used = tokens(LATENCY, &all, (IN_FLIGHT, cache_after), None)?;
            let at = format!("{name}, {IN_FLIGHT} in flight, {replicas} replica(s):");
            table.add(format!("{at} input cached"), used.cached / used.input, Bound::None);
            table.add(format!("{at} of what could be"), used.cached / could.cached, Bound::AtLeast(LEAST_SHARE));
            for (model, prices) in PRICES {
                let input = used.input_usd(prices) / reference.input_usd(prices);
                let what = format!("{at} {model}'s input / in the reference's order");
                table.add(what, input, Bound::AtMost(MOST_OF_REFERENCE));
                let whole = used.usd(prices) / reference.usd(prices);
                table.add(format!("{at} {model}'s whole price / in the reference's order"), whole, Bound::None);
            }
        }
        let careless = tokens(LATENCY, flags, (IN_FLIGHT, "0"), None)?;
        table.add(
            format!("{name}, {IN_FLIGHT} in flight, all at once: input cached"),
            careless.cached / careless.input,
            Bound::None,
        );
    }
    Ok(())
}

/// The tokens of a run. It is kept with its transcripts in `kept`, if that is given.
fn tokens(
    latency: Duration,
    cache: &[&str],
    (in_flight, cache_after): (usize, &str),
    kept: Option<&Path>,
) -> anyhow::Result<Tokens> {
    let provider = Provider::start_with(latency, cache)?;
    let runs = tempfile::tempdir()?;
    let mut command = valuesim_run(&provider, in_flight, kept.unwrap_or(runs.path()));
    command.args(["--users", USERS, "--cache-after", cache_after]);
    if kept.is_some() {
        command.arg("--transcripts");
    }
    finish(command)?;
    counted(&provider)
}

/// The tokens of the same calls in the reference's order.
fn in_reference_order(runs: &Path, cache: &[&str]) -> anyhow::Result<Tokens> {
    let provider = Provider::start_with(REFERENCE_LATENCY, cache)?;
    replay(runs, &provider)?;
    counted(&provider)
}

fn counted(provider: &Provider) -> anyhow::Result<Tokens> {
    let stats = provider.stats()?;
    let count = |field: &str| -> anyhow::Result<f64> {
        let value: &Value = &stats["tokens"][field];
        value.as_f64().with_context(|| format!("read {field} in the provider's statistics"))
    };
    Ok(Tokens { input: count("input")?, cached: count("cached_input")?, output: count("output")? })
}
