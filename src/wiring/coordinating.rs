//! A run's coordinator on the servers of a fleet: beside its work it says that it is there, and looks after what others
//! may lose.

mod farewell;
mod lookout;
mod rival;
mod telling;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::{Coordinator, Progress, RunEnd};
use valuesim_coordinator::cursor::Cursor;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::metrics::RunMetrics;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::control::{Order, Process, RunPhase, UnixMillis};
use valuesim_shared::id::ModelId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::{Lane, QueueName, RabbitQueue};
use valuesim_shared::store::{RedisStore, Store as _};
use valuesim_shared::survey::Survey;
use valuesim_shared::task::TASK_VERSION;

use super::identity::this_process;
use crate::servers::Servers;
use crate::vitals::Vitals;

/// The file of the run folder that says how far the run is dispatched.
const CURSOR_FILE: &str = "dispatched";

/// The coordinator of a run in a fleet.
pub(crate) struct FleetCoordinator {
    servers: Servers,
    coordinator: Coordinator<RabbitQueue, RedisStore>,
    manifest: Manifest,
    process: Process,
    http: String,
    metrics: RunMetrics,
    cells: u64,
    /// The version of the tasks that are sent.
    task_version: u16,
    spent_before: NanoUsd,
    /// Whether the prices of all its models are known.
    priced: bool,
    begun_at: UnixMillis,
    cursor_file: PathBuf,
    tell: fn(&str),
    /// The last order that was seen, which a store that loses its data does not know any more.
    last_order: Mutex<Option<Order>>,
    /// Who ended the run, if somebody did.
    cancelled_by: OnceLock<String>,
}

/// What it has to do.
pub(crate) struct Assignment<'a> {
    pub(crate) manifest: Manifest,
    pub(crate) plan: &'a Arc<Plan>,
    pub(crate) survey: &'a Arc<Survey>,
    pub(crate) ledger: &'a Arc<Ledger>,
    pub(crate) folder: &'a Path,
    /// Cells of each model under way.
    pub(crate) window: usize,
    /// The version of the tasks that are sent.
    pub(crate) task_version: u16,
    /// What the finished cells have cost.
    pub(crate) spent_before: NanoUsd,
    /// Says to people what the coordinator does.
    pub(crate) tell: fn(&str),
}

impl From<RunEnd> for FleetEnd {
    fn from(end: RunEnd) -> Self {
        match end {
            RunEnd::Finished => Self::Finished,
            RunEnd::Interrupted => Self::Interrupted,
        }
    }
}

/// How the coordinator's work ended.
#[derive(Debug)]
pub(crate) enum FleetEnd {
    /// No cell is open.
    Finished,
    /// It was stopped before that and can go on.
    Interrupted,
    /// An operator ended the run.
    Cancelled {
        /// Who.
        by: String,
    },
}

impl FleetCoordinator {
    /// Puts the manifest into the store and enters the run into the list of runs.
    ///
    /// # Errors
    /// Where the run has a coordinator already, before anything is changed.
    pub(crate) async fn new(servers: Servers, vitals: &Vitals, assignment: Assignment<'_>) -> anyhow::Result<Self> {
        let Assignment { manifest, plan, survey, ledger, folder, window, task_version, spent_before, tell } =
            assignment;
        let process = this_process();
        rival::refuse(&servers.control, &manifest.run, &process).await?;
        let cursor_file = folder.join(CURSOR_FILE);
        let coordinator = Coordinator::new(
            &manifest,
            Arc::clone(plan),
            Arc::clone(survey),
            Arc::clone(ledger),
            (servers.queue.clone(), servers.store.clone()),
            window,
        )?;
        let coordinator = coordinator.on_lasting_queues(Cursor::at(&cursor_file), process.id.clone());
        let coordinator = coordinator.with_task_version(task_version);
        // Before workers hear of the run, so that they find all in its place.
        servers.queue.declare(&first_queues(&manifest)).await?;
        let of_first_respondent = plan.models().flat_map(|model| plan.cells_of(model).take(plan.folds().len()));
        let finished = coordinator.finished_cells().into_iter();
        servers.store.put_finished(&manifest.run, of_first_respondent, finished).await?;
        servers.store.put_manifest(&manifest.run, &manifest.to_bytes()).await?;
        // One that cannot be read is in the store all the same, and workers obey it.
        let last_order = servers.control.order(&manifest.run).await.unwrap_or_default();
        // A run begins once, however often it is coordinated.
        let before = servers.control.about(&manifest.run).await.unwrap_or_default();
        let begun_at = before.map_or_else(UnixMillis::now, |about| about.begun_at);
        let priced = manifest.models.iter().all(|model| model.price.is_some());
        let (http, metrics) = (vitals.url().to_owned(), RunMetrics::new(vitals.registry(), &manifest.run, priced));
        let this = Self {
            servers,
            coordinator,
            manifest,
            process,
            http,
            metrics,
            cells: plan.cells(),
            task_version,
            spent_before,
            priced,
            begun_at,
            cursor_file,
            tell,
            last_order: Mutex::new(last_order),
            cancelled_by: OnceLock::new(),
        };
        if let Err(error) = this.announce(RunPhase::Begun).await {
            tracing::warn!(run = %this.manifest.run, %error, "the run is not in the list of runs yet; it is entered again soon");
        }
        Ok(this)
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    /// Coordinates until no cell is open or `stop` is cancelled; what is under way then stays on the queues.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> anyhow::Result<FleetEnd> {
        let halt = stop.child_token();
        let coordinating = async {
            // First, so that a run of which nothing is open but what was given up ends at once.
            if halt.run_until_cancelled(self.see_the_dead()).await.is_none() {
                return Ok(RunEnd::Interrupted);
            }
            Ok(self.coordinator.run(&halt).await?)
        };
        let end = tokio::select! {
            biased;
            end = coordinating => end,
            never = self.tell() => never,
            never = self.obey(&halt) => never,
            never = self.keep_manifest() => never,
            never = self.look_for_lost() => never,
            never = self.look_for_dead() => never,
            failed = self.yield_to_another() => failed,
        };
        self.metrics.set(self.counts(), self.spent());
        let end = match (end, self.cancelled_by.get()) {
            (Ok(RunEnd::Finished), _) => Ok(FleetEnd::Finished),
            (Ok(RunEnd::Interrupted), Some(by)) => Ok(FleetEnd::Cancelled { by: by.clone() }),
            (Ok(RunEnd::Interrupted), None) => Ok(FleetEnd::Interrupted),
            (Err(error), _) => Err(error),
        };
        match &end {
            Ok(FleetEnd::Finished) => self.tidy_up(RunPhase::Finished).await,
            Ok(FleetEnd::Cancelled { .. }) => self.tidy_up(RunPhase::Cancelled).await,
            Ok(FleetEnd::Interrupted) => {}
            Err(error) => self.tell_why(error).await,
        }
        if let Err(error) = self.servers.control.coordinator_ended(&self.process.id).await {
            tracing::debug!(%error, "could not say that this coordinator ends");
        }
        self.servers.queue.close().await;
        end
    }

    /// The run's queues but for its dead letters, with those that there are only while it is upgraded.
    fn queues(&self) -> Vec<QueueName> {
        let later = |model| (2..=TASK_VERSION + 1).map(move |version| Lane::Later(model, version));
        let later = self.manifest.models().flat_map(|(model, _)| later(model));
        let later = later.map(|lane| QueueName { run: self.manifest.run.clone(), lane });
        first_queues(&self.manifest).into_iter().chain(later).collect()
    }
}

/// The queues that every run has, but for its dead letters.
fn first_queues(manifest: &Manifest) -> Vec<QueueName> {
    let of_model = |(model, _): (ModelId, _)| [Lane::Story(model), Lane::Cab(model), Lane::Suspects(model)];
    let lanes = manifest.models().flat_map(of_model).chain([Lane::Results]);
    lanes.map(|lane| QueueName { run: manifest.run.clone(), lane }).collect()
}
