//! `valuesim coordinate`: runs an experiment from survey to results whose tasks are done by the workers of a fleet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{HumanCount, HumanDuration};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use valuesim_coordinator::coordinator::Progress;
use valuesim_coordinator::fleet::{Assignment, FleetBudget, FleetCoordinator, FleetEnd};
use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::budget::purses::Purses;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::model::{HeaderSource, ModelSettings};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::store::EmbeddedStore;
use valuesim_shared::task::TASK_VERSION;

use super::job::Job;
use super::run::{self, Mode, apply_new_budget, say_when};
use super::status::{Observer, Wanted};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::http::HttpFlags;
use crate::output::{note, write_event};
use crate::page::{Page, PageFlags};
use crate::progress::Style;
use crate::run_folder::RunFolder;
use crate::servers::{Addresses, ServerFlags, Servers};

/// How often progress is reported.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The time left is not known once nothing was finished in the time that so many cells took before.
const STILL_AFTER_CELLS: f64 = 10.0;

/// What `valuesim coordinate` takes.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_arg("simulate", |arg| arg.hide(true)), mut_arg("simulator_seed", |arg| arg.hide(true)))]
#[command(mut_arg("simulator_latency_ms", |arg| arg.hide(true)))]
pub(crate) struct Flags {
    #[command(flatten)]
    run: run::Flags,

    #[command(flatten)]
    servers: ServerFlags,

    #[command(flatten)]
    http: HttpFlags,

    #[command(flatten)]
    page: PageFlags,

    /// Maximum cells of each model in progress: enough to feed all workers, few enough for the broker's memory
    #[arg(
        long,
        value_name = "N",
        env = "VALUESIM_WINDOW",
        default_value_t = 2_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
        help_heading = "Limits"
    )]
    window: u32,

    /// For rehearsals of an upgrade: the version of the task message to send
    #[arg(long, hide = true, value_name = "N", default_value_t = TASK_VERSION)]
    task_version: u16,
}

/// Coordinates the experiment, resumes it, or shows its results again.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let experiment = flags.run.experiment()?;
    check_providers(&experiment).or_usage()?;
    tell_what_workers_decide(&experiment.models);
    run::start(experiment, &flags.run, Mode::Fleet(flags))
}

/// Workers of a fleet need a provider that they can reach.
fn check_providers(experiment: &Experiment) -> anyhow::Result<()> {
    if experiment.simulate.is_some() {
        bail!(
            "workers cannot call a provider that is simulated in this process: pass --model and --base-url; \
             `valuesim simulate-provider` serves a simulated one"
        );
    }
    let without_name = |model: &&ModelSettings| model.api_key_file.is_some() && model.api_key_name.is_none();
    if let Some(model) = experiment.models.iter().find(without_name) {
        bail!(
            "model {:?} has its key in a file of this machine, and workers know keys by name alone: name it with --api-key-name \
             (api_key_name), and list that name at each worker (docs/operations.md)",
            model.name
        );
    }
    let headers = experiment.models.iter().flat_map(|model| model.headers.iter().map(|header| (&model.name, header)));
    let without_name = |(_, (_, source)): &(_, (_, &HeaderSource))| source.file.is_some() && source.key.is_none();
    if let Some((model, (header, _))) = headers.clone().find(without_name) {
        bail!(
            "model {model:?} has the value of its header {header} in a file of this machine, and workers know keys by name alone: name it with \
             `key`, and list that name at each worker (docs/operations.md)"
        );
    }
    Ok(())
}

/// Says what of the experiment is no matter of the workers.
fn tell_what_workers_decide(models: &[ModelSettings]) {
    for model in models.iter().filter(|model| model.ca_file.is_some()) {
        note(&format!(
            "model {:?}: workers trust the ca_file of their own list of keys, not the experiment's",
            model.name
        ));
    }
}

impl Flags {
    /// Where the servers are.
    pub(super) fn addresses(&self) -> anyhow::Result<Addresses> {
        self.servers.addresses("valuesim coordinator")
    }
}

impl Job {
    /// Coordinates the run and shows its progress, until its end or until `stop` is cancelled.
    pub(super) async fn coordinate(
        &self,
        flags: &Flags,
        ledger: &Arc<Ledger>,
        folder: &RunFolder,
        style: Style,
        stop: &CancellationToken,
    ) -> Result<FleetEnd, Failure> {
        let addresses = flags.addresses().or_usage()?;
        let access = flags.page.access(flags.http.address()).or_usage()?;
        let observer = Observer::at_servers(flags.addresses().or_usage()?, Wanted::This(self.run.clone()));
        let page = Page::new(access, observer);
        let http_status = flags.http.serve(("coordinator", page.routes()), stop).await.or_usage()?;
        page.announce(http_status.url());
        let Some(prepared) = self.prepare_retrieval(folder, None, stop).await? else {
            return Ok(FleetEnd::Interrupted);
        };
        // From here on connecting may take long.
        let stopping = "stopping: cells in progress stay on the queues; press Ctrl-C again to exit at once";
        let saying = AbortOnDropHandle::new(tokio::spawn(say_when(stop.clone(), stopping)));
        let Some(servers) = stop.run_until_cancelled(addresses.connect()).await else {
            return interrupted(saying).await;
        };
        let servers = servers?;
        http_status.connected_to(&servers.queue, servers.store.connection());
        if self.has_new_budget {
            apply_new_budget(&servers.control, folder, &self.run).await?;
        }
        let assignment = Assignment {
            manifest: self.manifest(self.experiment.models.iter().map(ModelSettings::for_workers).collect()),
            plan: &self.plan,
            survey: &self.survey,
            ledger,
            retrieval: prepared.retrieval,
            kept: Arc::clone(&self.kept),
            off_peak: self.off_peak(),
            live: self.live_scores(ledger),
            rounds: self.rounds(ledger)?,
            folder: folder.path(),
            window: flags.window as usize,
            task_version: flags.task_version,
            budget: self.fleet_budget(&servers, folder, prepared.spend.cost)?,
            spent_before: self.done_before(ledger, &prepared.spend)?.spend.cost,
            tell: note,
        };
        let beginning = stop.run_until_cancelled(FleetCoordinator::new(servers, &http_status, assignment));
        let Some(coordinator) = Box::pin(beginning).await else { return interrupted(saying).await };
        let coordinator = coordinator?;
        note(&format!("coordinating run {}: it progresses while workers serve it (valuesim work --run {0})", self.run));
        let watch = Watch { progress: coordinator.progress() };
        let showing = AbortOnDropHandle::new(tokio::spawn(watch.show(style)));
        let end = Box::pin(coordinator.run(stop)).await;
        page.end().await;
        drop((showing, saying));
        Ok(end?)
    }
}

impl Job {
    /// What the run may cost, and where its workers draw it.
    fn fleet_budget(
        &self,
        servers: &Servers,
        folder: &RunFolder,
        on_embeddings: NanoUsd,
    ) -> anyhow::Result<FleetBudget> {
        let mut limits = self.experiment.purses();
        if let Some(of_run) = limits.first_mut() {
            of_run.spent = on_embeddings;
        }
        let of_one_process = folder.store();
        let earlier = of_one_process.exists().then(|| EmbeddedStore::open(&of_one_process)).transpose()?;
        Ok(FleetBudget { limits, purses: Purses::in_store(servers.store.connection().clone()), earlier })
    }
}

/// Ends before coordination has started, once the user has been told.
async fn interrupted(saying: AbortOnDropHandle<()>) -> Result<FleetEnd, Failure> {
    saying.await.context("report that it stops")?;
    Ok(FleetEnd::Interrupted)
}

/// Shows the progress of a run of a fleet.
struct Watch {
    progress: Arc<Progress>,
}

/// One look at the run.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "progress")]
struct Snapshot {
    cells_finished: u64,
    /// The cells that were finished before this process started.
    cells_finished_before: u64,
    /// Dead cells.
    #[serde(skip_serializing_if = "is_zero")]
    cells_dead: u64,
    cells: u64,
    /// Of this process.
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<f64>,
}

impl Watch {
    async fn show(self, style: Style) {
        let (start, before) = (Instant::now(), self.progress.cells_finished());
        let (mut finished, mut last) = (before, start);
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let mut snapshot = self.snapshot(start.elapsed().as_secs_f64(), before);
            if std::mem::replace(&mut finished, snapshot.cells_finished) != finished {
                last = Instant::now();
            }
            if is_still(&snapshot, last.elapsed()) {
                snapshot.seconds_left = None;
            }
            match style {
                Style::Json => write_event(&snapshot),
                Style::Text => note(&snapshot.text()),
            }
        }
    }

    fn snapshot(&self, seconds: f64, before: u64) -> Snapshot {
        let finished = self.progress.cells_finished();
        let (cells, cells_dead) = (self.progress.cells_planned(), self.progress.cells_dead());
        let (now, open) = ((finished - before) as f64, cells.saturating_sub(finished + cells_dead) as f64);
        Snapshot {
            cells_finished: finished,
            cells_finished_before: before,
            cells_dead,
            cells,
            seconds,
            seconds_left: (now > 0.0).then(|| seconds / now * open),
        }
    }
}

/// Whether no cell was finished for so long that nobody knows how much time is left.
fn is_still(snapshot: &Snapshot, silence: Duration) -> bool {
    let of_a_cell = snapshot.seconds / (snapshot.cells_finished - snapshot.cells_finished_before).max(1) as f64;
    silence > 3 * TELL_EVERY && silence.as_secs_f64() > STILL_AFTER_CELLS * of_a_cell
}

impl Snapshot {
    fn text(&self) -> String {
        let [finished, cells] = [self.cells_finished, self.cells].map(HumanCount);
        let before = match self.cells_finished_before {
            0 => String::new(),
            cells => format!(" ({} of them before)", HumanCount(cells)),
        };
        let left = self.seconds_left.map_or_else(String::new, |seconds| {
            format!(", {} left", HumanDuration(Duration::from_secs_f64(seconds.min(1e9))))
        });
        let dead = match self.cells_dead {
            0 => String::new(),
            cells => format!(", {} dead", HumanCount(cells)),
        };
        format!("{finished} of {cells} cells{before}{dead}{left}")
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_left_of_a_run_that_does_not_move() {
        let check = |cells_finished, seconds, silence, expected| {
            let snapshot = Snapshot {
                cells_finished,
                cells_finished_before: 0,
                cells_dead: 0,
                cells: 100,
                seconds,
                seconds_left: None,
            };
            assert_eq!(is_still(&snapshot, Duration::from_secs(silence)), expected, "{cells_finished} in {seconds} s");
        };
        // A cell took half a second.
        check(87, 43.5, 20, false);
        check(87, 73.5, 40, true);
        // Cells that take ten seconds come in their own time.
        check(87, 870.0, 40, false);
        check(0, 40.0, 40, false);
    }
}
