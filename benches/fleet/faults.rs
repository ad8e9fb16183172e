//! How fast another worker takes over from a killed one, and how fast a killed coordinator recovers.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::time::sleep;
use valuesim_shared::id::ModelId;
use valuesim_shared::queue::QueueKind;

use crate::fleet::{Fleet, depth, queue_of};
use crate::process::Provider;
use crate::servers::Servers;
use crate::table::{Bound, Table};

/// Kills of each kind; the slowest recovery counts.
const ROUNDS: usize = 3;

/// So long that no call is answered before another worker takes over.
const LATENCY: Duration = Duration::from_mins(5);

/// Cells of the runs whose worker is killed, and questions of a cell. More calls than the provider's accept queue holds
/// would delay some connections by a second.
const CELLS: u64 = 2;
const QUESTIONS: u64 = 54;

/// Enough for all calls of those cells.
const IN_FLIGHT: usize = 1_000;

/// The maximum seconds until another worker has made the calls of a killed one.
const MAX_TAKEOVER: f64 = 1.0;

/// The maximum seconds from the start of a coordinator until it writes outcomes.
const MAX_RECOVERY: f64 = 3.0;

/// Calls answered before a coordinator is killed.
const BEFORE_KILL: f64 = 20_000.0;

/// Outcomes waiting for it before it starts again.
const WAITING: u32 = 10;

/// The polling interval, which limits the accuracy of the measurement.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The kind of tasks that a killed worker had not finished.
struct Kind {
    name: &'static str,
    method: &'static str,
    queue: fn(ModelId) -> QueueKind,
    /// The number of calls that it makes at once.
    calls: u64,
}

const KINDS: [Kind; 2] = [
    Kind { name: "story tasks", method: "valuesim", queue: QueueKind::Story, calls: CELLS },
    Kind { name: "CAB tasks", method: "full-info", queue: QueueKind::Cab, calls: CELLS * QUESTIONS },
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
        table.add(format!("a killed worker's {name}: last call, s"), last, Bound::AtMost(MAX_TAKEOVER));
    }
    let mut longest = 0.0_f64;
    for _ in 0..ROUNDS {
        longest = longest.max(kill_coordinator(&servers).await.context("kill a coordinator")?);
    }
    table.add("a killed coordinator: recovery, s", longest, Bound::AtMost(MAX_RECOVERY));
    Ok(())
}

/// Seconds from the kill of a worker until another has made the first and the last call of its tasks.
async fn kill_worker(servers: &Servers, kind: &Kind) -> anyhow::Result<(f64, f64)> {
    let provider = Provider::start(LATENCY)?;
    let fleet = Fleet::new(servers, &provider).await?;
    let _coordinator =
        fleet.coordinator(&["--methods", kind.method, "--synthetic", "60", "--users", "1", "--folds", "1,2"])?;
    let tasks = queue_of(&fleet.run().await?, kind.queue);
    let queue = fleet.addresses.queue().await?;
    let victim = fleet.worker(IN_FLIGHT)?;
    let requests = async |count: u64| {
        let sent = async || (provider.stats().ok()?["requests"].as_u64()? >= count).then_some(());
        fleet.wait("requests", sent).await
    };
    requests(kind.calls).await?;
    let _other = fleet.worker(IN_FLIGHT)?;
    let both = async || (depth(&queue, &tasks).await.ok()?.consumers >= 2).then_some(());
    fleet.wait("the other worker", both).await?;
    let start = Instant::now();
    drop(victim);
    requests(kind.calls + 1).await?;
    let first = start.elapsed().as_secs_f64();
    requests(2 * kind.calls).await?;
    Ok((first, start.elapsed().as_secs_f64()))
}

/// Seconds from the start of a coordinator, after its predecessor was killed, until it has written outcomes.
async fn kill_coordinator(servers: &Servers) -> anyhow::Result<f64> {
    let provider = Provider::start(Duration::ZERO)?;
    let fleet = Fleet::new(servers, &provider).await?;
    let begin = || fleet.coordinator(&["--methods", "valuesim", "--synthetic", "2000", "--users", "2000"]);
    let coordinator = begin()?;
    let _worker = fleet.worker(64)?;
    fleet.answered(provider.answered()?, BEFORE_KILL).await?;
    drop(coordinator);
    let run = fleet.run().await?;
    let results = queue_of(&run, |_| QueueKind::Results);
    let queue = fleet.addresses.queue().await?;
    fleet.filled(&queue, &results, WAITING).await?;
    let start = Instant::now();
    let _coordinator = begin()?;
    while depth(&queue, &results).await?.messages >= WAITING {
        sleep(POLL_INTERVAL).await;
    }
    let fetched = SystemTime::now();
    while fleet.ledger_written(&run)? <= fetched {
        sleep(POLL_INTERVAL).await;
    }
    Ok(start.elapsed().as_secs_f64())
}
