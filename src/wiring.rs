//! The only place that chooses implementations: here everything in one process, below a fleet's on its servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::{Coordinator, Progress, RunEnd};
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Simulation;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::permit::{CircuitPauses, Limits, LocalOffice, PermitOffice as _};
use valuesim_shared::queue::MemoryQueue;
use valuesim_shared::store::{EmbeddedStore, Store as _};
use valuesim_shared::survey::Survey;
use valuesim_simulator::provider::{Latency, Provider, ProviderOptions};
use valuesim_worker::meter::Meter;
use valuesim_worker::worker::Worker;

use crate::progress::Waiting;
use crate::run_folder::STORE_FOLDER;

/// Cells under way for each call in flight: stories come one by one, so each place needs a cell to write one for.
const CELLS_FOR_EACH_CALL: usize = 2;

/// Fewest cells under way: enough that a model is not idle while its last stories are written.
const FEWEST_CELLS: usize = 64;

/// Coordinator and worker of a run, connected in memory.
pub(crate) struct OneProcess {
    coordinator: Coordinator<MemoryQueue, EmbeddedStore>,
    worker: Worker<MemoryQueue, EmbeddedStore, LocalOffice>,
    office: LocalOffice,
}

impl OneProcess {
    /// Connects both sides. Reads the providers' keys; makes no call.
    pub(crate) async fn new(
        manifest: &Manifest,
        plan: &Arc<Plan>,
        survey: &Arc<Survey>,
        ledger: &Arc<Ledger>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let limits: Vec<Limits> = manifest.models.iter().map(|model| model.limits).collect();
        let most_in_flight = limits.iter().map(|limits| limits.calls_in_flight as usize).max().unwrap_or(1);
        let window = (most_in_flight * CELLS_FOR_EACH_CALL).max(FEWEST_CELLS);
        // Every message belongs to a cell of some window, so no queue can fill up while its readers wait for another.
        let queue = MemoryQueue::new(window * limits.len().max(1));
        let store = EmbeddedStore::open(&folder.join(STORE_FOLDER))?;
        store.put_manifest(&manifest.run, &manifest.to_bytes()).await?;
        let coordinator = Coordinator::new(
            manifest,
            Arc::clone(plan),
            Arc::clone(survey),
            Arc::clone(ledger),
            (queue.clone(), store.clone()),
            window,
        )?;
        let office = permit_office();
        let worker = Worker::new(&manifest.run, queue, store, office.clone()).await?;
        Ok(Self { coordinator, worker, office })
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.worker.meter()
    }

    /// Tells at any moment what keeps calls waiting.
    pub(crate) fn waiting(&self) -> Waiting {
        let office = self.office.clone();
        Box::new(move || office.waits())
    }

    /// Runs until all cells are finished, `stop` is cancelled, or either side cannot go on. Calls in flight are
    /// finished and kept in any case.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> anyhow::Result<RunEnd> {
        let halting = stop.child_token();
        // The coordinator goes on until the worker has ended: cells that finish meanwhile are paid for, and recorded.
        let nobody_works = CancellationToken::new();
        let coordinating = async {
            let end = self.coordinator.run(&nobody_works).await;
            halting.cancel();
            end
        };
        let working = async {
            let end = self.worker.work(&halting).await;
            nobody_works.cancel();
            end
        };
        let (end, worked) = tokio::join!(coordinating, working);
        worked?;
        Ok(end?)
    }
}

/// The permit office of this process.
pub(crate) fn permit_office() -> LocalOffice {
    LocalOffice::new(CircuitPauses::default())
}

/// Starts the simulated provider on a free port of this machine.
pub(crate) async fn start_simulator(simulation: &Simulation, codebook: &Arc<Codebook>) -> anyhow::Result<Provider> {
    let latency = match simulation.latency_ms {
        0 => Latency::None,
        milliseconds => Latency::Fixed(Duration::from_millis(milliseconds)),
    };
    let options = ProviderOptions { seed: simulation.seed, latency, ..ProviderOptions::default() };
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Provider::start(anywhere, options, Arc::clone(codebook)).await.context("start the simulated provider")
}
