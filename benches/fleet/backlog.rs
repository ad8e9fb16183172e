//! What a long backlog adds to the CPU time of a call.

use std::process::Command;
use std::time::Duration;

use valuesim_shared::queue::Lane;

use crate::calls::WARM_UP_AND_COUNTED;
use crate::process::{Background, Provider};
use crate::servers::Servers;
use crate::table::{Bound, Table, median};
use crate::team::{Taken, Team, queue_of};

/// Cells that wait: few, and many.
const WAITING: [&str; 2] = ["1000", "500000"];

/// Respondents: five cells each, more than wait and are finished.
const USERS: &str = "101000";

const IN_FLIGHT: usize = 64;

/// Few and many, each.
const ROUNDS: usize = 5;

/// The most CPU for a call behind many, in that behind few.
const MOST_CPU: f64 = 1.1;

/// A run with cells that wait.
struct Queued<'a> {
    team: Team<'a>,
    coordinator: Background,
}

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let (servers_of_few, servers_of_many) = (Servers::start().await?, Servers::start().await?);
    let few = Queued::begin(&servers_of_few, &provider, WAITING[0]).await?;
    let many = Queued::begin(&servers_of_many, &provider, WAITING[1]).await?;
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        pairs.push((few.round().await?, many.round().await?));
    }
    let of_pairs = |figure: &dyn Fn(&(Taken, Taken)) -> f64| median(pairs.iter().map(figure).collect());
    let mut rows = |whose: &str, figure: fn(&Taken) -> f64| {
        let [few, many] = [of_pairs(&|(few, _)| figure(few)), of_pairs(&|(_, many)| figure(many))];
        table.add(format!("1,000 cells wait: CPU for a call, {whose}, ms"), few * 1e3, Bound::None);
        table.add(format!("500,000 cells wait: CPU for a call, {whose}, ms"), many * 1e3, Bound::None);
    };
    rows("worker", |taken| taken.worker);
    rows("broker", |taken| taken.broker);
    rows("store", |taken| taken.store);
    rows("coordinator", |taken| taken.coordinator);
    rows("all", Taken::all);
    let ratio = of_pairs(&|(few, many)| many.all() / few.all());
    table.add("CPU for a call, 500,000 / 1,000 cells wait", ratio, Bound::AtMost(MOST_CPU));
    Ok(())
}

impl<'a> Queued<'a> {
    async fn begin(servers: &'a Servers, provider: &'a Provider, waiting: &str) -> anyhow::Result<Self> {
        let team = Team::new(servers, provider).await?;
        let window = ["--window", waiting];
        let flags = [["--methods", "valuesim"], ["--synthetic", USERS], ["--users", USERS], window].concat();
        let coordinator = team.coordinator(&flags)?;
        let stories = queue_of(&team.run().await?, Lane::Story);
        let queue = team.addresses.queue().await?;
        team.filled(&queue, &stories, waiting.parse()?).await?;
        queue.close().await;
        Ok(Self { team, coordinator })
    }

    /// A worker makes calls for a while, and leaves in good order.
    async fn round(&self) -> anyhow::Result<Taken> {
        let mut worker = self.team.worker(IN_FLIGHT)?;
        let taken = self.team.measure(&self.coordinator, &worker, WARM_UP_AND_COUNTED).await?;
        let asked = Command::new("kill").args(["-TERM", &worker.pid()]).status()?;
        anyhow::ensure!(asked.success(), "kill ended with {asked}");
        worker.0.wait()?;
        Ok(taken)
    }
}
