//! `valuesim work`: does the tasks of runs that are coordinated elsewhere.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use valuesim_shared::id::RunId;
use valuesim_shared::permit::MOST_CALLS_IN_FLIGHT;

use super::run::{as_failure, note, say_when, stop_on_signals};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::servers::{Addresses, ServerFlags};
use crate::vitals::{HttpFlags, Vitals};
use crate::wiring::{FleetProcess, Service, Wanted};

/// What `valuesim work` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// A run to serve; may be repeated. All runs that have begun, as they appear, where none is named
    #[arg(long = "run", value_name = "RUN", env = "VALUESIM_RUN", value_delimiter = ',')]
    runs: Vec<String>,

    #[command(flatten)]
    servers: ServerFlags,

    #[command(flatten)]
    http: HttpFlags,

    /// Calls in flight at the same time in this worker, for each run and model [default: as the experiment says]
    #[arg(
        long,
        value_name = "N",
        env = "VALUESIM_CALLS_IN_FLIGHT",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CALLS_IN_FLIGHT)),
        help_heading = "Limits"
    )]
    calls_in_flight: Option<u32>,
}

/// Works until it is interrupted or the named runs have ended.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let addresses = flags.servers.addresses("valuesim worker").or_usage()?;
    let runtime = Runtime::new().context("start the asynchronous runtime")?;
    let stop = stop_on_signals(&runtime)?;
    let vitals = runtime.block_on(flags.http.serve("worker", &stop)).or_usage()?;
    runtime.block_on(flags.work(addresses, &vitals, &stop)).map_err(as_failure)?;
    Ok(Exit::Done)
}

impl Flags {
    async fn work(&self, addresses: Addresses, vitals: &Arc<Vitals>, stop: &CancellationToken) -> anyhow::Result<()> {
        let stopping = "stopping: calls in flight are finished first, the rest is handed back; press Ctrl-C again to leave at once";
        let saying = tokio::spawn(say_when(stop.clone(), stopping));
        let Some(servers) = stop.run_until_cancelled(addresses.connect()).await else { return Ok(()) };
        let servers = servers?;
        vitals.connected_to(&servers);
        let service = Service { wanted: self.wanted(), calls_in_flight: self.calls_in_flight, tell: note };
        let ended = FleetProcess::new(servers, Arc::clone(vitals), service).run(stop).await;
        saying.abort();
        ended
    }

    fn wanted(&self) -> Wanted {
        if self.runs.is_empty() {
            return Wanted::All;
        }
        Wanted::These(self.runs.iter().cloned().map(RunId).collect())
    }
}
