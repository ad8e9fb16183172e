//! Calls a second and memory of one worker with a provider that takes its time.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::process::{Provider, memory};
use crate::servers::Servers;
use crate::table::{Bound, Table};
use crate::team::Team;

const LATENCY: Duration = Duration::from_millis(200);
const IN_FLIGHT: usize = 1_000;

/// Start-up that is not counted, from the first answered call: connections are made, and the first backstories are
/// written before there is anything else to ask.
const START_UP: Duration = Duration::from_secs(5);

/// How long answered calls are counted after that.
const COUNTED: Duration = Duration::from_secs(20);

/// The fewest calls a second, as a share of calls in flight over latency.
const FEWEST_CALLS: f64 = 0.95;

/// The most memory for a call in flight, in kilobytes, beyond what a worker may take at rest, in megabytes.
const MOST_FOR_CALL: f64 = 64.0;
const AT_REST: f64 = 64.0;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(LATENCY)?;
    let servers = Servers::start().await?;
    let team = Team::new(&servers, &provider).await?;
    let _coordinator = team.coordinator(&["--methods", "valuesim", "--synthetic", "2000", "--users", "2000"])?;
    let worker = team.worker(IN_FLIGHT)?;
    team.answered(provider.answered()?, 1.0).await?;
    sleep(START_UP).await;
    let (start, before) = (Instant::now(), provider.answered()?.calls);
    sleep(COUNTED).await;
    let rate = (provider.answered()?.calls - before) / start.elapsed().as_secs_f64();
    let bytes = memory(&worker.pid(), "VmHWM")?;
    let ideal = IN_FLIGHT as f64 / LATENCY.as_secs_f64();
    let for_call = (bytes - AT_REST * 1e6) / IN_FLIGHT as f64 / 1e3;
    let at = format!("{IN_FLIGHT} in flight, {} ms latency:", LATENCY.as_millis());
    table.add(format!("{at} calls a second"), rate, Bound::None);
    table.add(format!("{at} calls a second / ideal"), rate / ideal, Bound::AtLeast(FEWEST_CALLS));
    table.add(format!("{at} memory of the worker, MB"), bytes / 1e6, Bound::None);
    table.add(format!("{at} memory above 64 MB for a call, kB"), for_call, Bound::AtMost(MOST_FOR_CALL));
    Ok(())
}
