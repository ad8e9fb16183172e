//! The growth of a worker's memory over time.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::process::{Provider, memory};
use crate::servers::Servers;
use crate::table::{Bound, Table};

const IN_FLIGHT: usize = 512;

/// When it is measured, from the start.
const EARLY: Duration = Duration::from_mins(1);
const LATE: Duration = Duration::from_mins(3);

/// The maximum late memory, relative to early.
const MAX_GROWTH: f64 = 1.1;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let servers = Servers::start().await?;
    let fleet = Fleet::new(&servers, &provider).await?;
    let _coordinator = fleet.coordinator(&["--methods", "valuesim", "--synthetic", "10000", "--users", "10000"])?;
    let (start, worker) = (Instant::now(), fleet.worker(IN_FLIGHT)?);
    sleep(EARLY.saturating_sub(start.elapsed())).await;
    let early = memory(&worker.pid(), "VmRSS")?;
    sleep(LATE.saturating_sub(start.elapsed())).await;
    let late = memory(&worker.pid(), "VmRSS")?;
    table.add("memory of a worker after 1 minute, MB", early / 1e6, Bound::None);
    table.add("memory of a worker after 3 minutes, MB", late / 1e6, Bound::None);
    table.add("memory of a worker, 3 minutes / 1 minute", late / early, Bound::AtMost(MAX_GROWTH));
    table.add("calls until then", provider.answered()?.calls, Bound::None);
    Ok(())
}
