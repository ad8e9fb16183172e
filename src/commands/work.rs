//! `valuesim work`: does the tasks of runs that other processes coordinate.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;
use valuesim_shared::budget::purses::Purses;
use valuesim_shared::id::RunId;
use valuesim_shared::permit::{CircuitPauses, MAX_CALLS_IN_FLIGHT, QuotaOffice};
use valuesim_shared::task::TASK_VERSION;
use valuesim_shared::telemetry::{HttpStatus, Router, most_open_files};
use valuesim_worker::config::Served;
use valuesim_worker::process::{ProcessConfig, Wanted, WorkerProcess};
use valuesim_worker::provider::{KeyList, Keys};
use valuesim_worker::timeouts::HoldLimits;

use super::run::open_files::calls_of_a_worker;
use super::run::{as_failure, say_when, stop_on_signals};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::http::HttpFlags;
use crate::output::note;
use crate::runtime::on_half_the_cores;
use crate::servers::{Addresses, ServerFlags};

/// What `valuesim work` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// A run to serve; may be repeated [default: all active runs, as they appear]
    #[arg(long = "run", value_name = "RUN", env = "VALUESIM_RUN", value_delimiter = ',')]
    runs: Vec<String>,

    /// A model to serve, by its name in the experiment; may be repeated [default: all]
    #[arg(long = "model", value_name = "NAME", env = "VALUESIM_MODEL", value_delimiter = ',')]
    models: Vec<String>,

    /// The list of this worker's keys, a TOML file: for each name its `file` or `variable`, and the `hosts` that may get the key
    ///
    /// Keys in `VALUESIM_KEY_NAME` need no file; `VALUESIM_HOSTS_NAME` has the hosts that may get them.
    #[arg(long, value_name = "FILE", env = "VALUESIM_KEYS", help_heading = "Providers")]
    keys: Option<PathBuf>,

    /// A host that may be called without a key, such as `llm.example` or `http://llm:8000`; may be repeated [default: this machine]
    #[arg(
        long = "allow-host",
        value_name = "HOST",
        env = "VALUESIM_HOSTS",
        value_delimiter = ',',
        help_heading = "Providers"
    )]
    hosts: Vec<String>,

    #[command(flatten)]
    servers: ServerFlags,

    #[command(flatten)]
    http: HttpFlags,

    /// Maximum calls in flight in this worker, for each model, all runs together [default: the experiment's]
    #[arg(
        long,
        value_name = "N",
        env = "VALUESIM_CALLS_IN_FLIGHT",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CALLS_IN_FLIGHT)),
        help_heading = "Limits"
    )]
    calls_in_flight: Option<u32>,

    /// Seconds to let calls in flight finish when this worker stops; the rest are abandoned
    #[arg(
        long,
        value_name = "SECONDS",
        env = "VALUESIM_GRACE",
        default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(0..=3_600),
        help_heading = "Limits"
    )]
    grace: u32,

    /// Seconds after which an unfinished task is handed back; together with --grace it must stay below the broker's
    /// `consumer_timeout` (30 minutes by default)
    #[arg(
        long,
        value_name = "SECONDS",
        env = "VALUESIM_HOLD",
        default_value_t = 1_200,
        value_parser = clap::value_parser!(u32).range(1..=86_400),
        help_heading = "Limits"
    )]
    hold: u32,

    /// For rehearsals of an upgrade: the newest version of the task message to do
    #[arg(long, hide = true, value_name = "N", default_value_t = TASK_VERSION)]
    newest_task: u16,
}

/// Works until it is interrupted or the named runs have ended.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let addresses = flags.servers.addresses("valuesim worker").or_usage()?;
    let keys = KeyList::read(flags.keys.as_deref(), &flags.hosts).or_usage()?;
    let runtime = on_half_the_cores().context("start the asynchronous runtime")?;
    let stop = stop_on_signals(&runtime)?;
    let http_status = runtime.block_on(flags.http.serve(("worker", Router::new()), &stop)).or_usage()?;
    runtime.block_on(flags.work((addresses, keys), &http_status, &stop)).map_err(as_failure)?;
    Ok(Exit::Done)
}

impl Flags {
    async fn work(
        &self,
        (addresses, keys): (Addresses, KeyList),
        http_status: &Arc<HttpStatus>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let stopping = "stopping: calls in flight are finished first, the rest are handed back; press Ctrl-C again to exit at once";
        let saying = tokio::spawn(say_when(stop.clone(), stopping));
        let Some(servers) = stop.run_until_cancelled(addresses.connect()).await else { return Ok(()) };
        let servers = servers?;
        http_status.connected_to(&servers.queue, servers.store.connection());
        let purses = Purses::in_store(servers.store.connection().clone());
        let office = QuotaOffice::of_fleet(servers.store.connection().clone(), CircuitPauses::default());
        let ended =
            WorkerProcess::new(servers, office, Arc::clone(http_status), self.config(keys, purses)).run(stop).await;
        saying.abort();
        Ok(ended?)
    }

    fn config(&self, keys: KeyList, purses: Purses) -> ProcessConfig {
        let seconds = |number: u32| Some(Duration::from_secs(number.into()));
        ProcessConfig {
            wanted: match self.runs.as_slice() {
                [] => Wanted::All,
                runs => Wanted::These(runs.iter().cloned().map(RunId).collect()),
            },
            served: match self.models.as_slice() {
                [] => Served::All,
                models => Served::Named(models.iter().cloned().collect()),
            },
            keys: Keys::Listed(Arc::new(keys)),
            calls_in_flight: self.calls_in_flight,
            most_calls: calls_of_a_worker(most_open_files()),
            hold_limits: HoldLimits { max_hold: seconds(self.hold), grace: seconds(self.grace) },
            newest_task: self.newest_task,
            purses,
            tell: note,
        }
    }
}
