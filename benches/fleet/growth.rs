//! A worker's memory, early and late.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::process::{Provider, memory};
use crate::servers::Servers;
use crate::table::{Bound, Table};
use crate::team::Team;

const IN_FLIGHT: usize = 512;

/// When it is looked at, from the start.
const EARLY: Duration = Duration::from_mins(1);
const LATE: Duration = Duration::from_mins(3);

/// The most memory late, in that early.
const MOST_GROWTH: f64 = 1.1;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let servers = Servers::start().await?;
    let team = Team::new(&servers, &provider).await?;
    let _coordinator = team.coordinator(&["--methods", "valuesim", "--synthetic", "10000", "--users", "10000"])?;
    let (start, worker) = (Instant::now(), team.worker(IN_FLIGHT)?);
    sleep(EARLY.saturating_sub(start.elapsed())).await;
    let early = memory(&worker.pid(), "VmRSS")?;
    sleep(LATE.saturating_sub(start.elapsed())).await;
    let late = memory(&worker.pid(), "VmRSS")?;
    table.add("memory of a worker after 1 minute, MB", early / 1e6, Bound::None);
    table.add("memory of a worker after 3 minutes, MB", late / 1e6, Bound::None);
    table.add("memory of a worker, 3 minutes / 1 minute", late / early, Bound::AtMost(MOST_GROWTH));
    table.add("calls until then", provider.answered()?.calls, Bound::None);
    Ok(())
}
