//! Chooses implementations: those of a run in one process here, those of a fleet in `servers`.

mod one_process;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Simulation;
use valuesim_shared::permit::{CircuitPauses, QuotaOffice};
use valuesim_simulator::provider::{Latency, Provider, ProviderOptions};

pub(crate) use one_process::{OneProcess, Parts};

/// The permit office of this process.
pub(crate) fn permit_office() -> QuotaOffice {
    QuotaOffice::local(CircuitPauses::default())
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
