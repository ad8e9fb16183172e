//! Calls per second and memory of one worker with a slow provider.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::process::{Provider, memory};
use crate::servers::Servers;
use crate::table::{Bound, Table};

const LATENCY: Duration = Duration::from_millis(200);
const IN_FLIGHT: usize = 1_000;

/// Start-up time from the first answered call, which is not measured: connections are opened, and other calls have to
/// wait for the first backstories.
const START_UP: Duration = Duration::from_secs(5);

/// How long answered calls are counted after that.
const MEASURED: Duration = Duration::from_secs(20);

/// The minimum calls per second, relative to calls in flight divided by latency.
const MIN_CALLS: f64 = 0.95;

/// The maximum memory per call in flight, in kilobytes, in addition to the maximum at rest, in megabytes.
const MAX_PER_CALL: f64 = 80.0;
const AT_REST: f64 = 64.0;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(LATENCY)?;
    let servers = Servers::start().await?;
    let fleet = Fleet::new(&servers, &provider).await?;
    let _coordinator = fleet.coordinator(&["--methods", "valuesim", "--synthetic", "2000", "--users", "2000"])?;
    let worker = fleet.worker(IN_FLIGHT)?;
    fleet.answered(provider.answered()?, 1.0).await?;
    sleep(START_UP).await;
    let (start, before) = (Instant::now(), provider.answered()?.calls);
    sleep(MEASURED).await;
    let rate = (provider.answered()?.calls - before) / start.elapsed().as_secs_f64();
    let bytes = memory(&worker.pid(), "VmHWM")?;
    let ideal = IN_FLIGHT as f64 / LATENCY.as_secs_f64();
    let for_call = (bytes - AT_REST * 1e6) / IN_FLIGHT as f64 / 1e3;
    let at = format!("{IN_FLIGHT} in flight, {} ms latency:", LATENCY.as_millis());
    table.add(format!("{at} calls per second"), rate, Bound::None);
    table.add(format!("{at} calls per second / ideal"), rate / ideal, Bound::AtLeast(MIN_CALLS));
    table.add(format!("{at} memory of the worker, MB"), bytes / 1e6, Bound::None);
    table.add(format!("{at} memory above 64 MB per call, kB"), for_call, Bound::AtMost(MAX_PER_CALL));
    Ok(())
}
