//! The coordinator of a run in a fleet: besides dispatching and receiving it reports that it is alive, renews its lease,
//! carries out orders, and restores what the servers may lose.

mod chronicle;
mod dead_letters;
mod error;
mod heartbeat;
mod leadership;
mod orders;
mod reconciler;
mod refusals;
mod refused_run;
mod shutdown;
mod treasurer;
mod treasury;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
use crate::kept_replies::KeptReplies;
use crate::ledger::Ledger;
use crate::live::LiveScores;
use crate::off_peak::OffPeak;
use crate::plan::Plan;
use crate::retrieval::Retrieval;
use crate::rounds::Rounds;

pub use self::error::FleetError;
pub use self::heartbeat::{BudgetGauge, Heartbeat, RunSize};
pub use self::leadership::AlreadyCoordinated;
use self::refusals::Refusals;
pub use self::refusals::Refused;
pub use self::treasurer::FleetBudget;
use self::treasurer::Treasurer;

/// The file in the run folder that records how far the run is dispatched.
const CURSOR_FILE: &str = "dispatched";

/// The folder in the run folder that keeps the last order.
const CONTROL_FOLDER: &str = "control";

/// The coordinator of a run in a fleet.
pub struct FleetCoordinator<Q, S, C> {
    servers: Servers<Q, S, C>,
    coordinator: Arc<Coordinator<Q, S>>,
    heartbeat: Heartbeat<Q, S, C>,
    manifest: Manifest,
    process: Process,
    /// The message version of the tasks that are sent.
    task_version: u16,
    cursor_file: PathBuf,
    tell: fn(&str),
    /// Who cancelled the run, if somebody did.
    cancelled_by: OnceLock<String>,
    /// The refusals of workers when it began, until it looks for others.
    refusals: Mutex<Refusals>,
    /// Why its workers refuse the run, if all do.
    refused: OnceLock<Refused>,
    /// Gives out its budget, if it has one.
    treasurer: Option<Arc<Treasurer>>,
}

/// What a coordinator of a fleet needs to know about its run.
pub struct Assignment<'a> {
    /// The manifest that its workers read.
    pub manifest: Manifest,
    /// Its cells.
    pub plan: &'a Arc<Plan>,
    /// The answers of its respondents.
    pub survey: &'a Arc<Survey>,
    /// Its finished cells.
    pub ledger: &'a Arc<Ledger>,
    /// Finds the items of profiles for `rag`; none unless the run has it.
    pub retrieval: Option<Arc<Retrieval>>,
    /// What earlier runs have of its cells.
    pub kept: Arc<KeptReplies>,
    /// Lets its cells wait for cheap hours; none if they begin at any hour.
    pub off_peak: Option<OffPeak>,
    /// Scores its finished cells while it goes on.
    pub live: LiveScores,
    /// The rounds in which its people are asked; none if they are asked all at once.
    pub rounds: Option<Arc<Rounds>>,
    /// Its folder.
    pub folder: &'a Path,
    /// Maximum cells in progress for each model.
    pub window: usize,
    /// The message version of the tasks that are sent.
    pub task_version: u16,
    /// What its calls may cost.
    pub budget: FleetBudget,
    /// The cost of the finished cells.
    pub spent_before: NanoUsd,
    /// Tells people what the coordinator does.
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
    /// It was stopped before that, and can be resumed.
    Interrupted,
    /// The next call could have passed the budget.
    OutOfBudget,
    /// All its workers refuse the run until somebody changes something.
    Refused(Refused),
    /// An operator cancelled the run.
    Cancelled {
        /// Who.
        by: String,
    },
}

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Takes the lease on the run, puts the manifest into the store, and adds the run to the list of runs.
    ///
    /// # Errors
    /// If the run already has a coordinator, before anything is changed; if a server or the ledger fails.
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
        let Assignment {
            manifest,
            plan,
            survey,
            ledger,
            retrieval,
            kept,
            off_peak,
            live,
            rounds,
            folder,
            window,
            task_version,
            budget,
            spent_before,
            tell,
        } = assignment;
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
        let coordinator = coordinator
            .with_task_version(task_version)
            .retrieving(retrieval)
            .reusing(kept)
            .when(off_peak)
            .scoring(live);
        let coordinator = Arc::new(coordinator.in_rounds(rounds)?);
        // Before workers see the run, so that they find everything ready.
        servers.queue.declare(&first_queues(&manifest)).await?;
        let of_first_respondent = coordinator.cells_of_first_respondent().into_iter();
        let finished = coordinator.finished_cells().into_iter();
        servers.store.put_finished(&manifest.run, of_first_respondent, finished).await?;
        servers.store.put_manifest(&manifest.run, &manifest.to_bytes()).await?;
        let heartbeat = Heartbeat::new(
            Arc::clone(&coordinator),
            servers.control.clone(),
            (&manifest, process.clone()),
            RunSize { most_cells: plan.cells(), spent_before },
            (Some(http_status), tell),
        );
        let heartbeat = heartbeat.await.keeping_orders_in(folder.join(CONTROL_FOLDER)).await;
        let history = (Arc::clone(plan), Arc::clone(ledger), cursor_file.exists());
        let treasurer = treasury::open(&servers, &manifest.run, (folder, history), budget, tell).await?;
        let heartbeat = heartbeat.showing(treasury::gauge(treasurer.as_ref()));
        if let (Some(treasurer), Some(order)) = (&treasurer, heartbeat.last_order()) {
            treasurer.obey(&order);
        }
        let refusals = match servers.control.workers().await {
            Ok(workers) => Refusals::since(&manifest.run, &workers),
            Err(_) => Refusals::default(),
        };
        if let Err(error) = heartbeat.announce(RunPhase::Begun).await {
            tracing::warn!(run = %manifest.run, %error, "could not add the run to the list of runs; the next report tries again");
        }
        let (cancelled_by, refused, refusals) = (OnceLock::new(), OnceLock::new(), Mutex::new(refusals));
        Ok(Self {
            servers,
            coordinator,
            heartbeat,
            manifest,
            process,
            task_version,
            cursor_file,
            tell,
            cancelled_by,
            refusals,
            refused,
            treasurer,
        })
    }

    /// How far the run is.
    pub fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    /// Coordinates until no cell is open or `stop` is cancelled; cells in progress then stay on the queues.
    pub async fn run(&self, stop: &CancellationToken) -> Result<FleetEnd, FleetError> {
        let stopping = stop.child_token();
        let refusals = std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner));
        let coordinating = async {
            // First, so that a run whose open cells are all dead ends at once.
            if stopping.run_until_cancelled(self.see_the_dead()).await.is_none() {
                return Ok(RunEnd::Interrupted);
            }
            Ok(self.coordinator.run(&stopping).await?)
        };
        let end = tokio::select! {
            biased;
            end = coordinating => end,
            never = self.beat(RunPhase::Begun) => never,
            never = self.obey(&stopping) => never,
            never = self.keep_manifest() => never,
            never = self.look_for_lost() => never,
            never = self.look_for_dead() => never,
            never = self.end_if_refused(refusals, &stopping) => never,
            failed = self.keep_budget(&stopping) => Err(failed),
            failed = leadership::keep(&self.servers.control, &self.manifest.run, &self.process) => failed,
        };
        self.heartbeat.update_metrics();
        let end = end.map(|end| self.fleet_end(&end));
        match &end {
            Ok(FleetEnd::Finished) => self.tidy_up(RunPhase::Finished).await,
            Ok(FleetEnd::Cancelled { .. }) => self.tidy_up(RunPhase::Cancelled).await,
            Ok(FleetEnd::OutOfBudget | FleetEnd::Refused(_)) => self.report_last().await,
            // Another coordinator reports on the run, or will.
            Ok(FleetEnd::Interrupted) | Err(FleetError::AlreadyCoordinated(_)) => {}
            Err(error) => {
                if let Err(error) = self.heartbeat.stopped_by(error.to_string()).await {
                    tracing::debug!(%error, "could not report why this coordinator ends");
                }
            }
        }
        self.heartbeat.ends().await;
        leadership::release(&self.servers.control, &self.manifest.run, &self.process).await;
        self.servers.queue.close().await;
        end
    }

    /// How the run ends, and why.
    fn fleet_end(&self, end: &RunEnd) -> FleetEnd {
        match (end, self.cancelled_by.get(), self.refused.get()) {
            (RunEnd::Finished, ..) => FleetEnd::Finished,
            (RunEnd::Interrupted, Some(by), _) => FleetEnd::Cancelled { by: by.clone() },
            (RunEnd::Interrupted, None, Some(refused)) => FleetEnd::Refused(refused.clone()),
            (RunEnd::Interrupted, None, None) if self.is_out_of_budget() => FleetEnd::OutOfBudget,
            (RunEnd::Interrupted, None, None) => FleetEnd::Interrupted,
        }
    }

    /// Reports that this coordinator is alive.
    async fn beat<T>(&self, phase: RunPhase) -> T {
        self.heartbeat.beat(phase, || [self.servers.queue.problem(), self.servers.control.problem()]).await
    }

    /// All queues of the run except its dead letters, including those that exist only during an upgrade.
    fn queues(&self) -> Vec<QueueName> {
        let later = |model| (2..=TASK_VERSION + 1).map(move |version| QueueKind::NextVersion(model, version));
        let later = self.manifest.models().flat_map(|(model, _)| later(model));
        let later = later.map(|kind| QueueName { run: self.manifest.run.clone(), kind });
        first_queues(&self.manifest).into_iter().chain(later).collect()
    }
}

/// The queues that every run has, except its dead letters.
fn first_queues(manifest: &Manifest) -> Vec<QueueName> {
    let of_model =
        |(model, _): (ModelId, _)| [QueueKind::Story(model), QueueKind::Cab(model), QueueKind::Quarantine(model)];
    let kinds = manifest.models().flat_map(of_model).chain([QueueKind::Results]);
    kinds.map(|kind| QueueName { run: manifest.run.clone(), kind }).collect()
}
