//! The effect of a long backlog on the CPU time per call.

use std::process::Command;
use std::time::Duration;

use valuesim_shared::queue::QueueKind;

use crate::calls::WARM_UP_AND_MEASURED;
use crate::fleet::{CallCost, Fleet, queue_of};
use crate::process::{Background, Provider};
use crate::servers::Servers;
use crate::table::{Bound, Table, median};

/// Waiting cells: few and many.
const WAITING: [&str; 2] = ["1000", "500000"];

/// Respondents with five cells each: more cells than wait and are finished.
const USERS: &str = "101000";

const IN_FLIGHT: usize = 64;

/// Rounds with each.
const ROUNDS: usize = 5;

/// The maximum CPU per call with many waiting cells, relative to few.
const MAX_CPU: f64 = 1.1;

/// A run with a backlog of cells.
struct BacklogRun<'a> {
    fleet: Fleet<'a>,
    coordinator: Background,
}

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let (servers_of_few, servers_of_many) = (Servers::start().await?, Servers::start().await?);
    let few = BacklogRun::begin(&servers_of_few, &provider, WAITING[0]).await?;
    let many = BacklogRun::begin(&servers_of_many, &provider, WAITING[1]).await?;
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        pairs.push((few.round().await?, many.round().await?));
    }
    let of_pairs = |figure: &dyn Fn(&(CallCost, CallCost)) -> f64| median(pairs.iter().map(figure).collect());
    let mut rows = |whose: &str, figure: fn(&CallCost) -> f64| {
        let [few, many] = [of_pairs(&|(few, _)| figure(few)), of_pairs(&|(_, many)| figure(many))];
        table.add(format!("1,000 cells wait: CPU per call, {whose}, ms"), few * 1e3, Bound::None);
        table.add(format!("500,000 cells wait: CPU per call, {whose}, ms"), many * 1e3, Bound::None);
    };
    rows("worker", |cost| cost.worker);
    rows("broker", |cost| cost.broker);
    rows("store", |cost| cost.store);
    rows("coordinator", |cost| cost.coordinator);
    rows("all", CallCost::all);
    let ratio = of_pairs(&|(few, many)| many.all() / few.all());
    table.add("CPU per call, 500,000 / 1,000 cells wait", ratio, Bound::AtMost(MAX_CPU));
    Ok(())
}

impl<'a> BacklogRun<'a> {
    async fn begin(servers: &'a Servers, provider: &'a Provider, waiting: &str) -> anyhow::Result<Self> {
        let fleet = Fleet::new(servers, provider).await?;
        let window = ["--window", waiting];
        let flags = [["--methods", "valuesim"], ["--synthetic", USERS], ["--users", USERS], window].concat();
        let coordinator = fleet.coordinator(&flags)?;
        let stories = queue_of(&fleet.run().await?, QueueKind::Story);
        let queue = fleet.addresses.queue().await?;
        fleet.filled(&queue, &stories, waiting.parse()?).await?;
        queue.close().await;
        Ok(Self { fleet, coordinator })
    }

    /// Measures a worker that makes calls for a while and then shuts down gracefully.
    async fn round(&self) -> anyhow::Result<CallCost> {
        let mut worker = self.fleet.worker(IN_FLIGHT)?;
        let cost = self.fleet.measure(&self.coordinator, &worker, WARM_UP_AND_MEASURED).await?;
        let asked = Command::new("kill").args(["-TERM", &worker.pid()]).status()?;
        anyhow::ensure!(asked.success(), "kill ended with {asked}");
        worker.0.wait()?;
        Ok(cost)
    }
}
