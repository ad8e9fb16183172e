//! A coordinator of a full-size survey in a child process, for cells without calls.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::Coordinator;
use valuesim_coordinator::cursor::Cursor;
use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Users;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::store::Store as _;

use crate::full_size::{experiment_of, run_id};
use crate::process::{Usage, finish, memory, this_program};
use crate::servers::Addresses;

/// An address without a listener; it is never called.
const NO_PROVIDER: &str = "http://127.0.0.1:9/v1";

/// The name of the file that records the progress of dispatch.
const CURSOR: &str = "dispatched";

/// The resource usage of a coordinator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CoordinatorUsage {
    /// Seconds from the first cell to the end.
    pub(crate) seconds: f64,
    /// Peak resident bytes.
    pub(crate) memory: f64,
    /// The usage of the whole process, including the survey.
    pub(crate) used: Usage,
}

/// The cursor of a coordinator that works in `folder`.
pub(crate) fn cursor(folder: &Path) -> Cursor {
    Cursor::at(&folder.join(CURSOR))
}

/// Coordinates the cells of `users` in a child process until all are finished.
pub(crate) fn coordinate(
    addresses: &Addresses,
    folder: &Path,
    users: &str,
    window: u64,
) -> anyhow::Result<CoordinatorUsage> {
    let mut command: Command = this_program(&["as-coordinator", &addresses.broker, &addresses.store])?;
    command.arg(folder).args([users, &window.to_string()]);
    let (used, output) = finish(command)?;
    let figures: Vec<f64> = output.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [seconds, memory] = figures[..] else { anyhow::bail!("the coordinator printed {output:?}") };
    Ok(CoordinatorUsage { seconds, memory, used })
}

/// The role of the child process: coordinates, and prints seconds and peak bytes.
#[tokio::main]
pub(crate) async fn run(addresses: &Addresses, folder: &Path, users: Users, window: usize) -> anyhow::Result<()> {
    let (experiment, survey, plan) = experiment_of(users)?;
    let mut manifest = Manifest::of(run_id(), &experiment, Codebook::built_in());
    manifest.methods.clear();
    manifest.models.iter_mut().for_each(|model| model.base_url = Some(NO_PROVIDER.to_owned()));
    // Resets the peak memory, which generating the survey has raised.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (queue, store) = (addresses.queue().await?, addresses.store().await?);
    store.put_manifest(&manifest.run, &manifest.to_bytes()).await?;
    let ledger = Arc::new(Ledger::open(&folder.join("ledger.redb"), &run_id())?);
    let (plan, survey) = (Arc::new(plan), Arc::new(survey));
    let coordinator = Coordinator::new(&manifest, plan, survey, ledger, (queue.clone(), store), window)?;
    let coordinator = coordinator.on_lasting_queues(cursor(folder), "fleet benchmark".to_owned());
    let start = Instant::now();
    coordinator.run(&CancellationToken::new()).await?;
    let seconds = start.elapsed().as_secs_f64();
    queue.close().await;
    println!("{seconds} {}", memory("self", "VmHWM")?);
    Ok(())
}
