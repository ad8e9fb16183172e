//! CPU per call and calls per second with a provider that answers at once, relative to the bare loop.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::bare_loop::{self, BareLoop};
use crate::command::valuesim_run;
use crate::process::{Provider, finish, whole};
use crate::table::{Bound, Table, median};

/// Runs of the engine and of the bare loop for each number of calls in flight.
const ROUNDS: usize = 5;

/// Respondents of a round: about 87,500 calls.
const USERS: &str = "100";

/// Calls in flight, and the maximum CPU per call relative to the bare loop.
const IN_FLIGHT: [(usize, f64); 2] = [(64, 1.6), (512, 1.3)];

/// The minimum calls per second, relative to the bare loop.
const MIN_CALLS: f64 = 0.7;

/// The maximum time for reading and showing a finished run of a hundred respondents again, in seconds.
const MAX_RESUME: f64 = 0.5;

/// The cost and speed of a run of the engine.
#[derive(Debug, Clone, Copy)]
struct Engine {
    calls: f64,
    cpu_seconds_per_call: f64,
    calls_per_second: f64,
    /// The time of the same command on the finished run.
    rerun_seconds: f64,
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let prompt_bytes = mean_prompt(&provider)?;
    println!("prompts of {prompt_bytes} bytes on average; {ROUNDS} rounds\n");
    for (in_flight, max_cpu) in IN_FLIGHT {
        compare(&provider, in_flight, max_cpu, prompt_bytes, table)?;
    }
    Ok(())
}

/// The mean length of the engine's prompts in bytes, as counted by the provider.
fn mean_prompt(provider: &Provider) -> anyhow::Result<usize> {
    let runs = tempfile::tempdir()?;
    let before = provider.answered()?;
    let mut command = valuesim_run(provider, 64, runs.path());
    command.args(["--users", "1"]);
    finish(command)?;
    Ok(provider.answered()?.prompt_bytes_since(before))
}

fn compare(
    provider: &Provider,
    in_flight: usize,
    max_cpu: f64,
    prompt_bytes: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let (mut engines, mut loops) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let engine = engine(provider, in_flight)?;
        loops.push(bare_loop::measure(&provider.base_url, in_flight, whole(engine.calls), prompt_bytes)?);
        engines.push(engine);
    }
    let cpu = median(engines.iter().map(|engine| engine.cpu_seconds_per_call * 1e3).collect());
    let bare_cpu = median(loops.iter().map(|bare| bare.cpu_seconds_per_call * 1e3).collect());
    let rate = median(engines.iter().map(|engine| engine.calls_per_second).collect());
    let bare_rate = median(loops.iter().map(|bare| bare.calls_per_second).collect());
    let of_pair =
        |ratio: fn(&Engine, &BareLoop) -> f64| median(engines.iter().zip(&loops).map(|(e, b)| ratio(e, b)).collect());
    let cpu_ratio = of_pair(|engine, bare| engine.cpu_seconds_per_call / bare.cpu_seconds_per_call);
    let rate_ratio = of_pair(|engine, bare| engine.calls_per_second / bare.calls_per_second);
    let at = format!("{in_flight} in flight:");
    table.add(format!("{at} CPU per call, bare loop, ms"), bare_cpu, Bound::None);
    table.add(format!("{at} CPU per call, engine, ms"), cpu, Bound::None);
    table.add(format!("{at} CPU per call, engine / bare"), cpu_ratio, Bound::AtMost(max_cpu));
    table.add(format!("{at} calls per second, bare loop"), bare_rate, Bound::None);
    table.add(format!("{at} calls per second, engine"), rate, Bound::None);
    table.add(format!("{at} calls per second, engine / bare"), rate_ratio, Bound::AtLeast(MIN_CALLS));
    let again = median(engines.iter().map(|engine| engine.rerun_seconds).collect());
    table.add(format!("{at} a finished run of {USERS} again, s"), again, Bound::AtMost(MAX_RESUME));
    Ok(())
}

/// Runs the engine, then the same command again, which does everything except the calls: survey, scan, scores, files.
/// The difference is the cost of the calls.
fn engine(provider: &Provider, in_flight: usize) -> anyhow::Result<Engine> {
    let runs = tempfile::tempdir()?;
    let (used, output) = finish(engine_command(provider, in_flight, runs.path()))?;
    let (again, _) = finish(engine_command(provider, in_flight, runs.path()))?;
    let (calls, seconds) = last_progress(&output)?;
    Ok(Engine {
        calls,
        cpu_seconds_per_call: (used.cpu_seconds - again.cpu_seconds) / calls,
        calls_per_second: calls / seconds,
        rerun_seconds: again.seconds,
    })
}

fn engine_command(provider: &Provider, in_flight: usize, runs: &Path) -> Command {
    let mut command = valuesim_run(provider, in_flight, runs);
    command.args(["--users", USERS, "--json"]);
    command
}

/// Calls and seconds in the last progress event.
fn last_progress(output: &str) -> anyhow::Result<(f64, f64)> {
    let events = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let last = events.rev().find(|event| event["event"] == "progress").context("find a progress event")?;
    let number = |field: &str| last[field].as_f64().with_context(|| format!("find {field} in {last}"));
    Ok((number("calls")?, number("seconds")?))
}
