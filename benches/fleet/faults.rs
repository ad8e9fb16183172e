//! How fast others step in for a worker that was killed, and a coordinator comes back.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::time::sleep;
use valuesim_shared::id::ModelId;
use valuesim_shared::queue::Lane;

use crate::process::Provider;
use crate::servers::Servers;
use crate::table::{Bound, Table};
use crate::team::{Team, depth, queue_of};

/// Kills of each kind; the slowest counts.
const ROUNDS: usize = 3;

/// No call is answered while a worker is killed and another steps in.
const SLOW: Duration = Duration::from_mins(5);

/// Cells of the runs whose worker is killed, and questions of a cell: fewer calls than connections that wait to be accepted
/// by the provider, or some would be made a second later.
const CELLS: u64 = 2;
const QUESTIONS: u64 = 58;

/// Enough for all calls of those cells.
const IN_FLIGHT: usize = 1_000;

/// The longest, in seconds, until another worker makes the calls of one that was killed.
const LONGEST_TAKEOVER: f64 = 1.0;

/// The longest, in seconds, from the start of a coordinator until it writes outcomes.
const LONGEST_RETURN: f64 = 3.0;

/// Calls that are answered before a coordinator is killed.
const BEFORE_KILL: f64 = 20_000.0;

/// Outcomes that wait for it before it starts again.
const WAITING: u32 = 10;

/// How often is looked; part of what is measured.
const LOOK: Duration = Duration::from_millis(5);

/// Of what kind the tasks are that a killed worker held.
struct Kind {
    name: &'static str,
    method: &'static str,
    lane: fn(ModelId) -> Lane,
    /// Those that it makes at once.
    calls: u64,
}

const KINDS: [Kind; 2] = [
    Kind { name: "story tasks", method: "valuesim", lane: Lane::Story, calls: CELLS },
    Kind { name: "CAB tasks", method: "full-info", lane: Lane::Cab, calls: CELLS * QUESTIONS },
];

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let servers = Servers::start().await?;
    for kind in &KINDS {
        let (mut first, mut last) = (0.0_f64, 0.0_f64);
        for _ in 0..ROUNDS {
            let (first_call, last_call) = kill_worker(&servers, kind).await.context("kill a worker")?;
            (first, last) = (first.max(first_call), last.max(last_call));
        }
        let name = kind.name;
        table.add(format!("a killed worker's {name}: first call by another, s"), first, Bound::None);
        table.add(format!("a killed worker's {name}: last call, s"), last, Bound::AtMost(LONGEST_TAKEOVER));
    }
    let mut longest = 0.0_f64;
    for _ in 0..ROUNDS {
        longest = longest.max(kill_coordinator(&servers).await.context("kill a coordinator")?);
    }
    table.add("a killed coordinator: back at work, s", longest, Bound::AtMost(LONGEST_RETURN));
    Ok(())
}

/// Seconds from the kill of a worker until another has made the first and the last call for its tasks.
async fn kill_worker(servers: &Servers, kind: &Kind) -> anyhow::Result<(f64, f64)> {
    let provider = Provider::start(SLOW)?;
    let team = Team::new(servers, &provider).await?;
    let _coordinator =
        team.coordinator(&["--methods", kind.method, "--synthetic", "60", "--users", "1", "--folds", "1,2"])?;
    let tasks = queue_of(&team.run().await?, kind.lane);
    let queue = team.addresses.queue().await?;
    let victim = team.worker(IN_FLIGHT)?;
    let requests = async |count: u64| {
        let sent = async || (provider.stats().ok()?["requests"].as_u64()? >= count).then_some(());
        team.wait("requests", sent).await
    };
    requests(kind.calls).await?;
    let _other = team.worker(IN_FLIGHT)?;
    let both = async || (depth(&queue, &tasks).await.ok()?.consumers >= 2).then_some(());
    team.wait("the other worker", both).await?;
    let start = Instant::now();
    drop(victim);
    requests(kind.calls + 1).await?;
    let first = start.elapsed().as_secs_f64();
    requests(2 * kind.calls).await?;
    Ok((first, start.elapsed().as_secs_f64()))
}

/// Seconds from the start of a coordinator whose predecessor was killed until it has written outcomes.
async fn kill_coordinator(servers: &Servers) -> anyhow::Result<f64> {
    let provider = Provider::start(Duration::ZERO)?;
    let team = Team::new(servers, &provider).await?;
    let begin = || team.coordinator(&["--methods", "valuesim", "--synthetic", "2000", "--users", "2000"]);
    let coordinator = begin()?;
    let _worker = team.worker(64)?;
    team.answered(provider.answered()?, BEFORE_KILL).await?;
    drop(coordinator);
    let run = team.run().await?;
    let results = queue_of(&run, |_| Lane::Results);
    let queue = team.addresses.queue().await?;
    team.filled(&queue, &results, WAITING).await?;
    let start = Instant::now();
    let _coordinator = begin()?;
    while depth(&queue, &results).await?.messages >= WAITING {
        sleep(LOOK).await;
    }
    let fetched = SystemTime::now();
    while team.ledger_written(&run)? <= fetched {
        sleep(LOOK).await;
    }
    Ok(start.elapsed().as_secs_f64())
}
