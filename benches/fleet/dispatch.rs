//! Cells a second that a coordinator sends when nothing holds it back.

use std::time::{Duration, Instant};

use valuesim_shared::queue::Lane;

use crate::process::Provider;
use crate::servers::Servers;
use crate::table::{Bound, Table};
use crate::team::{Team, depth, queue_of};

/// Respondents, and their cells.
const USERS: &str = "20000";
const CELLS: u32 = 100_000;

/// The fewest cells a second.
const FEWEST_CELLS: f64 = 12_000.0;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let servers = Servers::start().await?;
    let team = Team::new(&servers, &provider).await?;
    let window = ["--window", "1000000"];
    let _coordinator =
        team.coordinator(&[["--methods", "valuesim"], ["--synthetic", USERS], ["--users", USERS], window].concat())?;
    let stories = queue_of(&team.run().await?, Lane::Story);
    let queue = team.addresses.queue().await?;
    team.filled(&queue, &stories, 1).await?;
    let (start, first) = (Instant::now(), depth(&queue, &stories).await?.messages);
    team.filled(&queue, &stories, CELLS).await?;
    let rate = f64::from(CELLS - first) / start.elapsed().as_secs_f64();
    let (broker, _) = servers.used()?;
    table.add("cells dispatched in a second", rate, Bound::AtLeast(FEWEST_CELLS));
    table.add("dispatch: CPU seconds of the broker, its start included", broker, Bound::None);
    Ok(())
}
