//! A run's coordinator on the servers of a fleet: beside its work it says that it is there, and looks after what others
//! may lose.

mod farewell;
mod lookout;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::{Coordinator, Progress, RunEnd};
use valuesim_coordinator::cursor::Cursor;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::metrics::RunMetrics;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::control::{
    AboutRun, CONTROL_VERSION, CellCounts, CoordinatorReport, Process, REPORT_EVERY, RunPhase, UnixMillis,
};
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
    spent_before: NanoUsd,
    begun_at: UnixMillis,
    cursor_file: PathBuf,
    tell: fn(&str),
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
    pub(crate) async fn new(servers: Servers, vitals: &Vitals, assignment: Assignment<'_>) -> anyhow::Result<Self> {
        let Assignment { manifest, plan, survey, ledger, folder, window, task_version, spent_before, tell } =
            assignment;
        let process = this_process();
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
        let begun_at = UnixMillis::now();
        let (http, metrics) = (vitals.url().to_owned(), RunMetrics::new(vitals.registry(), &manifest.run));
        let this = Self {
            servers,
            coordinator,
            manifest,
            process,
            http,
            metrics,
            cells: plan.cells(),
            spent_before,
            begun_at,
            cursor_file,
            tell,
            cancelled_by: OnceLock::new(),
        };
        if let Err(error) = this.servers.control.announce(&this.about(RunPhase::Begun)).await {
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
            self.coordinator.run(&halt).await
        };
        let end = tokio::select! {
            biased;
            end = coordinating => end,
            never = self.tell() => never,
            never = self.obey(&halt) => never,
            never = self.keep_manifest() => never,
            never = self.look_for_lost() => never,
            never = self.look_for_dead() => never,
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
            Ok(FleetEnd::Interrupted) | Err(_) => {}
        }
        if let Err(error) = self.servers.control.coordinator_ended(&self.process.id).await {
            tracing::debug!(%error, "could not say that this coordinator ends");
        }
        self.servers.queue.close().await;
        Ok(end?)
    }

    /// Says again and again that this process is there and how far the run is.
    async fn tell<T>(&self) -> T {
        let mut ticks = interval(REPORT_EVERY);
        let (mut finished, mut since) = (self.progress().cells_finished(), Instant::now());
        loop {
            ticks.tick().await;
            self.metrics.set(self.counts(), self.spent());
            let (now, seconds) = (self.progress().cells_finished(), since.elapsed().as_secs_f64());
            let report = CoordinatorReport {
                version: CONTROL_VERSION,
                process: self.process.clone(),
                run: self.manifest.run.clone(),
                cells: self.counts(),
                cells_per_second: (now - finished) as f64 / seconds.max(1e-3),
                spent: self.spent(),
                http: Some(self.http.clone()),
                last_trouble: None,
                at: UnixMillis::now(),
            };
            (finished, since) = (now, Instant::now());
            let control = &self.servers.control;
            let about = self.about(RunPhase::Begun);
            let told = tokio::try_join!(control.report_coordinator(&report), control.announce(&about));
            if let Err(error) = told {
                tracing::debug!(%error, "could not say that this coordinator is there");
            }
        }
    }

    /// The run's queues but for its dead letters, with those that there are only while it is upgraded.
    fn queues(&self) -> Vec<QueueName> {
        let later = |model| (2..=TASK_VERSION + 1).map(move |version| Lane::Later(model, version));
        let later = self.manifest.models().flat_map(|(model, _)| later(model));
        let later = later.map(|lane| QueueName { run: self.manifest.run.clone(), lane });
        first_queues(&self.manifest).into_iter().chain(later).collect()
    }

    fn about(&self, phase: RunPhase) -> AboutRun {
        AboutRun {
            version: CONTROL_VERSION,
            run: self.manifest.run.clone(),
            models: self.manifest.models.iter().map(|model| model.name.clone()).collect(),
            phase,
            cells: self.counts(),
            spent: self.spent(),
            begun_at: self.begun_at,
            at: UnixMillis::now(),
        }
    }

    fn counts(&self) -> CellCounts {
        let progress = self.progress();
        CellCounts {
            planned: self.cells,
            finished: progress.cells_finished(),
            under_way: self.coordinator.cells_under_way(),
            dead: progress.cells_dead(),
        }
    }

    fn spent(&self) -> NanoUsd {
        NanoUsd(self.spent_before.0 + self.progress().spent().0)
    }
}

/// The queues that every run has, but for its dead letters.
fn first_queues(manifest: &Manifest) -> Vec<QueueName> {
    let of_model = |(model, _): (ModelId, _)| [Lane::Story(model), Lane::Cab(model), Lane::Suspects(model)];
    let lanes = manifest.models().flat_map(of_model).chain([Lane::Results]);
    lanes.map(|lane| QueueName { run: manifest.run.clone(), lane }).collect()
}
