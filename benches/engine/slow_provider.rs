//! Calls per second and memory with a slow provider: thousands of calls in flight.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::command::valuesim_run;
use crate::process::{Background, Provider, memory};
use crate::table::{Bound, Table};

const LATENCY: Duration = Duration::from_millis(300);
const IN_FLIGHT: usize = 2_000;

/// Start-up time from the first answered call, which is not measured: connections are opened, and other calls have to
/// wait for the first backstories.
const START_UP: Duration = Duration::from_secs(5);

/// How long answered calls are counted after that.
const MEASURED: Duration = Duration::from_secs(15);

/// Respondents: more than can be finished in that time.
const USERS: &str = "1000";

/// The minimum calls per second, relative to calls in flight divided by latency.
const MIN_CALLS: f64 = 0.95;

/// The maximum memory per call in flight, in kilobytes, in addition to the maximum at rest.
const MAX_PER_CALL: f64 = 80.0;

/// The maximum memory with one call in flight, in megabytes, including 0.6 MB for the synthetic survey.
const MAX_AT_REST: f64 = 64.0;

/// Measurements of a run in progress.
struct RunSample {
    calls_per_second: f64,
    /// Peak resident bytes.
    memory: f64,
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(LATENCY)?;
    let rest = sample(&provider, 1)?;
    let full = sample(&provider, IN_FLIGHT)?;
    let ideal = IN_FLIGHT as f64 / LATENCY.as_secs_f64();
    let of_ideal = full.calls_per_second / ideal;
    // At rest the caches of store and ledger are still empty, so subtract the maximum at rest, which includes them.
    let for_call = (full.memory - MAX_AT_REST * 1e6) / IN_FLIGHT as f64 / 1e3;
    let at = format!("{IN_FLIGHT} in flight, {} ms latency:", LATENCY.as_millis());
    table.add(format!("{at} calls per second"), full.calls_per_second, Bound::None);
    table.add(format!("{at} calls per second / ideal"), of_ideal, Bound::AtLeast(MIN_CALLS));
    table.add("1 in flight: memory, MB", rest.memory / 1e6, Bound::AtMost(MAX_AT_REST));
    table.add(format!("{at} memory, MB"), full.memory / 1e6, Bound::None);
    table.add(format!("{at} memory above 64 MB per call, kB"), for_call, Bound::AtMost(MAX_PER_CALL));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn sample(provider: &Provider, in_flight: usize) -> anyhow::Result<RunSample> {
    let runs = tempfile::tempdir()?;
    let engine = start(provider, in_flight, runs.path())?;
    let before = provider.answered()?.calls;
    while provider.answered()?.calls <= before {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(START_UP).await;
    let (start, first) = (Instant::now(), provider.answered()?.calls);
    tokio::time::sleep(MEASURED).await;
    let calls = provider.answered()?.calls - first;
    let calls_per_second = calls / start.elapsed().as_secs_f64();
    Ok(RunSample { calls_per_second, memory: memory(&engine.pid(), "VmHWM")? })
}

fn start(provider: &Provider, in_flight: usize, runs: &Path) -> anyhow::Result<Background> {
    let mut command = valuesim_run(provider, in_flight, runs);
    command.args(["--users", USERS]).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Background(command.spawn().context("start the engine")?))
}
