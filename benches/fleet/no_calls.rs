//! A full-size run without calls: the cost of everything except the provider, and the coordinator's memory.

use std::process::Stdio;

use crate::coordinator_process::{CoordinatorUsage, coordinate};
use crate::cpu::cpu_seconds;
use crate::full_size::run_id;
use crate::process::{Background, memory, valuesim};
use crate::servers::{Addresses, Servers};
use crate::table::{Bound, Table};

/// Respondents with five cells each: few, enough to fill the ledger's cache (32 MB), and all 97,220.
const FEW: &str = "2000";
const SOME: &str = "50000";
const ALL: &str = "all";

const CELLS: f64 = 486_100.0;

/// Cells in progress: the coordinator's default.
const WINDOW: u64 = 2_000;

const WORKERS: usize = 2;

/// The maximum additional memory of a coordinator for all cells compared with some, in megabytes: memory that the
/// allocator does not return.
const MAX_GROWTH: f64 = 16.0;

/// The resource usage of a run without its coordinator.
struct OtherUsage {
    /// CPU seconds.
    workers: f64,
    broker: f64,
    store: f64,
    /// Peak resident bytes of the worker with the highest peak.
    memory: f64,
}

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let ((few, _), (some, _)) = (run(FEW).await?, run(SOME).await?);
    let (all, rest) = run(ALL).await?;
    let mut row = |what: &str, figure, bound| table.add(format!("486,100 cells without calls: {what}"), figure, bound);
    row("seconds", all.seconds, Bound::None);
    row("cells per second", CELLS / all.seconds, Bound::None);
    row("CPU seconds of the coordinator", all.used.cpu_seconds, Bound::None);
    row("seconds of its process", all.used.seconds, Bound::None);
    row("CPU seconds of two workers", rest.workers, Bound::None);
    row("CPU seconds of the broker", rest.broker, Bound::None);
    row("CPU seconds of the store", rest.store, Bound::None);
    row("memory of a worker, MB", rest.memory / 1e6, Bound::None);
    row("memory of the coordinator, MB", all.memory / 1e6, Bound::None);
    table.add("10,000 cells of the same survey: its memory, MB", few.memory / 1e6, Bound::None);
    table.add("250,000 cells: its memory, with a full cache of the ledger, MB", some.memory / 1e6, Bound::None);
    let more = (all.memory - some.memory) / 1e6;
    table.add("more memory for 486,100 cells than for 250,000, MB", more, Bound::AtMost(MAX_GROWTH));
    Ok(())
}

async fn run(users: &str) -> anyhow::Result<(CoordinatorUsage, OtherUsage)> {
    let servers = Servers::start().await?;
    let addresses = servers.fresh().await?;
    let folder = tempfile::tempdir()?;
    let workers = (0..WORKERS).map(|_| worker(&addresses)).collect::<anyhow::Result<Vec<_>>>()?;
    let (broker, store) = servers.used()?;
    let coordinated = coordinate(&addresses, folder.path(), users, WINDOW)?;
    let (broker_after, store_after) = servers.used()?;
    let mut rest = OtherUsage { workers: 0.0, broker: broker_after - broker, store: store_after - store, memory: 0.0 };
    for worker in &workers {
        rest.workers += cpu_seconds(&worker.pid())?.0;
        rest.memory = rest.memory.max(memory(&worker.pid(), "VmHWM")?);
    }
    Ok((coordinated, rest))
}

/// A worker that serves the run once its manifest is in the store.
fn worker(addresses: &Addresses) -> anyhow::Result<Background> {
    let mut command = valuesim(&["work", "--run", &run_id().0]);
    command.env("VALUESIM_BROKER", &addresses.broker).env("VALUESIM_STORE", &addresses.store);
    Ok(Background(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
}
