//! Calls a second and memory with a provider that takes its time: thousands of calls in flight.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::command::valuesim_run;
use crate::process::{Background, Provider, memory};
use crate::table::{Bound, Table};

const LATENCY: Duration = Duration::from_millis(300);
const IN_FLIGHT: usize = 2_000;

/// Start-up that is not counted, from the first answered call: connections are made, and the first backstories are
/// written before there is anything else to ask.
const START_UP: Duration = Duration::from_secs(5);

/// How long answered calls are counted after that.
const COUNTED: Duration = Duration::from_secs(15);

/// Respondents: more than can be finished in that time.
const USERS: &str = "1000";

/// The fewest calls a second, as a share of calls in flight over latency.
const FEWEST_CALLS: f64 = 0.95;

/// The most memory for a call in flight, in kilobytes, on top of what may be taken at rest.
const MOST_FOR_CALL: f64 = 80.0;

/// The most memory with hardly a call in flight, in megabytes; the synthetic survey's 0.6 MB are part of it.
const MOST_AT_REST: f64 = 64.0;

/// A run that was looked at while it was under way.
struct UnderWay {
    calls_per_second: f64,
    /// Bytes resident at most.
    memory: f64,
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(LATENCY)?;
    let rest = look(&provider, 1)?;
    let full = look(&provider, IN_FLIGHT)?;
    let ideal = IN_FLIGHT as f64 / LATENCY.as_secs_f64();
    let of_ideal = full.calls_per_second / ideal;
    // At rest the caches of store and ledger are still empty; their share is within what is allowed at rest.
    let for_call = (full.memory - MOST_AT_REST * 1e6) / IN_FLIGHT as f64 / 1e3;
    let at = format!("{IN_FLIGHT} in flight, {} ms latency:", LATENCY.as_millis());
    table.add(format!("{at} calls a second"), full.calls_per_second, Bound::None);
    table.add(format!("{at} calls a second / ideal"), of_ideal, Bound::AtLeast(FEWEST_CALLS));
    table.add("1 in flight: memory, MB", rest.memory / 1e6, Bound::AtMost(MOST_AT_REST));
    table.add(format!("{at} memory, MB"), full.memory / 1e6, Bound::None);
    table.add(format!("{at} memory above 64 MB for a call, kB"), for_call, Bound::AtMost(MOST_FOR_CALL));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn look(provider: &Provider, in_flight: usize) -> anyhow::Result<UnderWay> {
    let runs = tempfile::tempdir()?;
    let engine = start(provider, in_flight, runs.path())?;
    let before = provider.answered()?.calls;
    while provider.answered()?.calls <= before {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(START_UP).await;
    let (start, first) = (Instant::now(), provider.answered()?.calls);
    tokio::time::sleep(COUNTED).await;
    let calls = provider.answered()?.calls - first;
    let calls_per_second = calls / start.elapsed().as_secs_f64();
    Ok(UnderWay { calls_per_second, memory: memory(&engine.pid(), "VmHWM")? })
}

fn start(provider: &Provider, in_flight: usize, runs: &Path) -> anyhow::Result<Background> {
    let mut command = valuesim_run(provider, in_flight, runs);
    command.args(["--users", USERS]).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Background(command.spawn().context("start the engine")?))
}
