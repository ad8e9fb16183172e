//! How much of its prompts a provider reads from its prefix cache, and what that saves, with many calls in flight.
//!
//! What could be read from the cache is what is read when the same calls are made one after the other. The order without regard
//! to the cache, with fifteen calls in flight, stands for the paper's program, whose fifteen threads take one question after the
//! other.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::command::valuesim_run;
use crate::process::{Provider, finish};
use crate::table::{Bound, Table};

const LATENCY: Duration = Duration::from_millis(300);
const IN_FLIGHT: usize = 256;

/// The threads of the paper's program.
const REFERENCE_IN_FLIGHT: usize = 15;

/// Its latency here: what is read from the cache does not depend on it.
const REFERENCE_LATENCY: Duration = Duration::from_millis(30);

/// Respondents, in all five folds.
const USERS: &str = "10";

/// The least share of what could be read from the cache.
const LEAST_SHARE: f64 = 0.97;

/// US dollars for a million tokens of deepseek-chat (api-docs.deepseek.com, V3.2): input, input from the cache, output.
const DEEPSEEK_USD: [f64; 3] = [0.28, 0.028, 0.42];

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
    fn input_usd(&self) -> f64 {
        let [input, cached, _] = DEEPSEEK_USD;
        ((self.input - self.cached) * input + self.cached * cached) / 1e6
    }

    fn usd(&self) -> f64 {
        self.input_usd() + self.output * DEEPSEEK_USD[2] / 1e6
    }
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    for (name, flags, cache_after) in CACHES {
        let could = tokens(Duration::ZERO, flags, (1, cache_after))?;
        let reference = tokens(REFERENCE_LATENCY, flags, (REFERENCE_IN_FLIGHT, "0"))?;
        table.add(format!("{name}: input that could be cached"), could.cached / could.input, Bound::None);
        let of_reference = reference.cached / could.cached;
        table.add(format!("{name}: of it in the reference's order, 15 in flight"), of_reference, Bound::None);
        for replicas in ["1", "4"] {
            let all = [flags, &["--replicas", replicas]].concat();
            let used = tokens(LATENCY, &all, (IN_FLIGHT, cache_after))?;
            let at = format!("{name}, {IN_FLIGHT} in flight, {replicas} replica(s):");
            table.add(format!("{at} of it cached"), used.cached / could.cached, Bound::AtLeast(LEAST_SHARE));
            let ratios = [used.input_usd() / reference.input_usd(), used.usd() / reference.usd()];
            table.add(format!("{at} input's price / the reference's order"), ratios[0], Bound::None);
            table.add(format!("{at} whole price / the reference's order"), ratios[1], Bound::None);
        }
        let careless = tokens(LATENCY, flags, (IN_FLIGHT, "0"))?;
        table.add(
            format!("{name}, {IN_FLIGHT} in flight, all at once: of it cached"),
            careless.cached / could.cached,
            Bound::None,
        );
    }
    Ok(())
}

fn tokens(latency: Duration, cache: &[&str], (in_flight, cache_after): (usize, &str)) -> anyhow::Result<Tokens> {
    let provider = Provider::start_with(latency, cache)?;
    let runs = tempfile::tempdir()?;
    let mut command = valuesim_run(&provider, in_flight, runs.path());
    command.args(["--users", USERS, "--cache-after", cache_after]);
    finish(command)?;
    let stats = provider.stats()?;
    let count = |field: &str| -> anyhow::Result<f64> {
        let value: &Value = &stats["tokens"][field];
        value.as_f64().with_context(|| format!("read {field} in the provider's statistics"))
    };
    Ok(Tokens { input: count("input")?, cached: count("cached_input")?, output: count("output")? })
}
