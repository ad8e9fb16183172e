//! A run's coordinator in a fleet: beside its work it reports that it is alive, keeps the lead, carries out orders, and
//! looks after what others may lose.

mod dead_letters;
mod error;
mod heartbeat;
mod leadership;
mod orders;
mod reconciler;
mod shutdown;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{Control, Process, RunPhase, this_process};
use valuesim_shared::fleet::Servers;
use valuesim_shared::id::ModelId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::{QueueAdmin, QueueKind, QueueName};
use valuesim_shared::store::Store;
use valuesim_shared::survey::Survey;
use valuesim_shared::task::TASK_VERSION;
use valuesim_shared::telemetry::HttpStatus;

use crate::coordinator::{Coordinator, Progress, RunEnd};
use crate::cursor::Cursor;
use crate::ledger::Ledger;
use crate::plan::Plan;

pub use self::error::FleetError;
pub use self::heartbeat::{Heartbeat, RunSize};
pub use self::leadership::AlreadyCoordinated;

/// The file of the run folder that says how far the run is dispatched.
const CURSOR_FILE: &str = "dispatched";

/// The folder of the run folder that keeps the last order.
const CONTROL_FOLDER: &str = "control";

/// The coordinator of a run in a fleet.
pub struct FleetCoordinator<Q, S, C> {
    servers: Servers<Q, S, C>,
    coordinator: Arc<Coordinator<Q, S>>,
    heartbeat: Heartbeat<Q, S, C>,
    manifest: Manifest,
    process: Process,
    /// The version of the tasks that are sent.
    task_version: u16,
    cursor_file: PathBuf,
    tell: fn(&str),
    /// Who ended the run, if somebody did.
    cancelled_by: OnceLock<String>,
}

/// What it has to do.
pub struct Assignment<'a> {
    /// The run as its workers need to know it.
    pub manifest: Manifest,
    /// Its cells.
    pub plan: &'a Arc<Plan>,
    /// The answers of its respondents.
    pub survey: &'a Arc<Survey>,
    /// Its finished cells.
    pub ledger: &'a Arc<Ledger>,
    /// Its folder.
    pub folder: &'a Path,
    /// Cells of each model under way.
    pub window: usize,
    /// The version of the tasks that are sent.
    pub task_version: u16,
    /// What the finished cells have cost.
    pub spent_before: NanoUsd,
    /// Says to people what the coordinator does.
    pub tell: fn(&str),
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
pub enum FleetEnd {
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

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Puts the manifest into the store and enters the run into the list of runs.
    ///
    /// # Errors
    /// Where the run has a coordinator already, before anything is changed.
    pub async fn new(
        servers: Servers<Q, S, C>,
        http_status: &HttpStatus,
        assignment: Assignment<'_>,
    ) -> Result<Self, FleetError> {
        let (control, run, process) = (servers.control.clone(), assignment.manifest.run.clone(), this_process());
        leadership::take(&control, &run, &process).await?;
        let begun = tokio::select! {
            begun = Self::begin(servers, http_status, assignment, process.clone()) => begun,
            failed = leadership::keep(&control, &run, &process) => failed,
        };
        if begun.is_err() {
            leadership::release(&control, &run, &process).await;
        }
        begun
    }

    async fn begin(
        servers: Servers<Q, S, C>,
        http_status: &HttpStatus,
        assignment: Assignment<'_>,
        process: Process,
    ) -> Result<Self, FleetError> {
        let Assignment { manifest, plan, survey, ledger, folder, window, task_version, spent_before, tell } =
            assignment;
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
        let coordinator = Arc::new(coordinator.with_task_version(task_version));
        // Before workers hear of the run, so that they find all in its place.
        servers.queue.declare(&first_queues(&manifest)).await?;
        let of_first_respondent = plan.models().flat_map(|model| plan.cells_of(model).take(plan.folds().len()));
        let finished = coordinator.finished_cells().into_iter();
        servers.store.put_finished(&manifest.run, of_first_respondent, finished).await?;
        servers.store.put_manifest(&manifest.run, &manifest.to_bytes()).await?;
        let heartbeat = Heartbeat::new(
            Arc::clone(&coordinator),
            servers.control.clone(),
            (&manifest, process.clone()),
            RunSize { cells: plan.cells(), spent_before },
            (Some(http_status), tell),
        );
        let heartbeat = heartbeat.await.keeping_orders_in(folder.join(CONTROL_FOLDER)).await;
        if let Err(error) = heartbeat.announce(RunPhase::Begun).await {
            tracing::warn!(run = %manifest.run, %error, "the run is not in the list of runs yet; it is entered again soon");
        }
        let cancelled_by = OnceLock::new();
        Ok(Self { servers, coordinator, heartbeat, manifest, process, task_version, cursor_file, tell, cancelled_by })
    }

    /// How far the run is.
    pub fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    /// Coordinates until no cell is open or `stop` is cancelled; what is under way then stays on the queues.
    pub async fn run(&self, stop: &CancellationToken) -> Result<FleetEnd, FleetError> {
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
            never = self.heartbeat.beat(|| [self.servers.queue.problem(), self.servers.control.problem()]) => never,
            never = self.obey(&halt) => never,
            never = self.keep_manifest() => never,
            never = self.look_for_lost() => never,
            never = self.look_for_dead() => never,
            failed = leadership::keep(&self.servers.control, &self.manifest.run, &self.process) => failed,
        };
        self.heartbeat.update_metrics();
        let end = match (end, self.cancelled_by.get()) {
            (Ok(RunEnd::Finished), _) => Ok(FleetEnd::Finished),
            (Ok(RunEnd::Interrupted), Some(by)) => Ok(FleetEnd::Cancelled { by: by.clone() }),
            (Ok(RunEnd::Interrupted), None) => Ok(FleetEnd::Interrupted),
            (Err(error), _) => Err(error),
        };
        match &end {
            Ok(FleetEnd::Finished) => self.tidy_up(RunPhase::Finished).await,
            Ok(FleetEnd::Cancelled { .. }) => self.tidy_up(RunPhase::Cancelled).await,
            // Another coordinator says how the run is, or will.
            Ok(FleetEnd::Interrupted) | Err(FleetError::AlreadyCoordinated(_)) => {}
            Err(error) => self.heartbeat.stopped_by(error.to_string()).await,
        }
        self.heartbeat.ends().await;
        leadership::release(&self.servers.control, &self.manifest.run, &self.process).await;
        self.servers.queue.close().await;
        end
    }

    /// The run's queues but for its dead letters, with those that there are only while it is upgraded.
    fn queues(&self) -> Vec<QueueName> {
        let later = |model| (2..=TASK_VERSION + 1).map(move |version| QueueKind::NextVersion(model, version));
        let later = self.manifest.models().flat_map(|(model, _)| later(model));
        let later = later.map(|lane| QueueName { run: self.manifest.run.clone(), kind: lane });
        first_queues(&self.manifest).into_iter().chain(later).collect()
    }
}

/// The queues that every run has, but for its dead letters.
fn first_queues(manifest: &Manifest) -> Vec<QueueName> {
    let of_model =
        |(model, _): (ModelId, _)| [QueueKind::Story(model), QueueKind::Cab(model), QueueKind::Quarantine(model)];
    let lanes = manifest.models().flat_map(of_model).chain([QueueKind::Results]);
    lanes.map(|lane| QueueName { run: manifest.run.clone(), kind: lane }).collect()
}
