//! Cells per second that a coordinator dispatches without limits.

use std::time::{Duration, Instant};

use valuesim_shared::queue::QueueKind;

use crate::fleet::{Fleet, depth, queue_of};
use crate::process::Provider;
use crate::servers::Servers;
use crate::table::{Bound, Table};

/// Respondents, and their cells.
const USERS: &str = "20000";
const CELLS: u32 = 100_000;

/// The minimum cells per second.
const MIN_CELLS: f64 = 12_000.0;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let servers = Servers::start().await?;
    let fleet = Fleet::new(&servers, &provider).await?;
    let window = ["--window", "1000000"];
    let _coordinator =
        fleet.coordinator(&[["--methods", "valuesim"], ["--synthetic", USERS], ["--users", USERS], window].concat())?;
    let stories = queue_of(&fleet.run().await?, QueueKind::Story);
    let queue = fleet.addresses.queue().await?;
    fleet.filled(&queue, &stories, 1).await?;
    let (start, first) = (Instant::now(), depth(&queue, &stories).await?.messages);
    fleet.filled(&queue, &stories, CELLS).await?;
    let rate = f64::from(CELLS - first) / start.elapsed().as_secs_f64();
    let (broker, _) = servers.used()?;
    table.add("cells dispatched per second", rate, Bound::AtLeast(MIN_CELLS));
    table.add("dispatch: CPU seconds of the broker, including its start", broker, Bound::None);
    Ok(())
}
