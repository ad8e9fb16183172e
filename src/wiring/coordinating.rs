//! A run's coordinator on the servers of a fleet: beside its work it says that it is there, and looks after what others
//! may lose.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{interval, sleep};
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
use valuesim_shared::queue::{BrokerState, Lane, QueueError, QueueName, RabbitQueue};
use valuesim_shared::store::{RedisStore, Store as _};
use valuesim_shared::survey::Survey;

use super::identity::this_process;
use crate::servers::Servers;
use crate::vitals::Vitals;

/// The file of the run folder that says how far the run is dispatched.
const CURSOR_FILE: &str = "dispatched";

/// How often the store is asked whether it still has the manifest.
const MANIFEST_EVERY: Duration = Duration::from_secs(10);

/// So many looks in a row find nothing under way before it counts as lost: reports of workers are up to two seconds old.
const QUIET_LOOKS: u32 = 4;

/// How long workers may take to leave a finished run before its queues go.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

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
    /// What the finished cells have cost.
    pub(crate) spent_before: NanoUsd,
}

impl FleetCoordinator {
    /// Puts the manifest into the store and enters the run into the list of runs.
    pub(crate) async fn new(servers: Servers, vitals: &Vitals, assignment: Assignment<'_>) -> anyhow::Result<Self> {
        let Assignment { manifest, plan, survey, ledger, folder, window, spent_before } = assignment;
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
        servers.store.put_manifest(&manifest.run, &manifest.to_bytes()).await?;
        let begun_at = UnixMillis::now();
        let (http, metrics) = (vitals.url().to_owned(), RunMetrics::new(vitals.registry(), &manifest.run));
        let cells = plan.cells();
        let this =
            Self { servers, coordinator, manifest, process, http, metrics, cells, spent_before, begun_at, cursor_file };
        this.servers.control.announce(&this.about(RunPhase::Begun)).await?;
        Ok(this)
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    /// Coordinates until all cells are finished or `stop` is cancelled; what is under way then stays on the queues.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> anyhow::Result<RunEnd> {
        let end = tokio::select! {
            biased;
            end = self.coordinator.run(stop) => end,
            never = self.tell() => never,
            never = self.keep_manifest() => never,
            never = self.look_for_lost() => never,
        };
        self.metrics.set(self.counts(), self.spent());
        if matches!(end, Ok(RunEnd::Finished)) {
            self.tidy_up().await;
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

    /// Puts the manifest back where the store lost it: workers that start later need it.
    async fn keep_manifest<T>(&self) -> T {
        loop {
            sleep(MANIFEST_EVERY).await;
            let run = &self.manifest.run;
            let kept = match self.servers.store.manifest(run).await {
                Ok(None) => {
                    tracing::warn!(%run, "the store has lost the run's manifest; it is put back");
                    self.servers.store.put_manifest(run, &self.manifest.to_bytes()).await
                }
                found => found.map(drop),
            };
            if let Err(error) = kept {
                tracing::warn!(%run, %error, "could not see to the run's manifest");
            }
        }
    }

    /// Notices when cells were dispatched, nothing of them waits anywhere, and nobody has them.
    async fn look_for_lost<T>(&self) -> T {
        let (mut quiet, mut finished) = (0, 0);
        loop {
            sleep(REPORT_EVERY).await;
            let before = std::mem::replace(&mut finished, self.progress().cells_finished());
            let is_quiet = before == finished && self.is_quiet().await;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                quiet = 0;
                self.coordinator.nothing_is_under_way();
            }
        }
    }

    /// Whether no message of the run waits and no worker has one. What cannot be seen is not quiet.
    async fn is_quiet(&self) -> bool {
        if self.servers.queue.state() != BrokerState::Connected {
            return false;
        }
        let Ok(workers) = self.servers.control.workers().await else { return false };
        let run = &self.manifest.run;
        let is_busy = workers.all.iter().any(|worker| worker.runs.contains(run) && worker.tasks > 0);
        !is_busy && workers.unreadable == 0 && self.all_empty().await.unwrap_or(false)
    }

    async fn all_empty(&self) -> Result<bool, QueueError> {
        for queue in self.queues() {
            let depth = self.servers.queue.depth(&queue).await?;
            if depth.is_some_and(|depth| depth.messages > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The run's queues but for its dead letters.
    fn queues(&self) -> Vec<QueueName> {
        let of_model = |(model, _): (ModelId, _)| [Lane::Story(model), Lane::Cab(model), Lane::Suspects(model)];
        let lanes = self.manifest.models().flat_map(of_model).chain([Lane::Results]);
        lanes.map(|lane| QueueName { run: self.manifest.run.clone(), lane }).collect()
    }

    /// Sees the workers off, then removes the queues of the finished run. What fails here costs a little room, no result.
    async fn tidy_up(&self) {
        if let Err(error) = self.try_to_tidy_up().await {
            tracing::warn!(run = %self.manifest.run, error = format!("{error:#}"), "not all of the finished run was tidied up");
        }
    }

    async fn try_to_tidy_up(&self) -> anyhow::Result<()> {
        let Servers { queue, store, control, .. } = &self.servers;
        control.announce(&self.about(RunPhase::Finished)).await?;
        let leaving = async {
            while control.workers().await?.all.iter().any(|worker| worker.runs.contains(&self.manifest.run)) {
                sleep(Duration::from_millis(200)).await;
            }
            Ok::<_, anyhow::Error>(())
        };
        // A worker that stays longer finds its queue gone and declares it again, empty.
        if let Ok(left) = tokio::time::timeout(LEAVE_WITHIN, leaving).await {
            left?;
        }
        for name in self.queues() {
            queue.delete(&name).await?;
        }
        let dead = QueueName { run: self.manifest.run.clone(), lane: Lane::Dead };
        if queue.depth(&dead).await?.is_some_and(|depth| depth.messages == 0) {
            queue.delete(&dead).await?;
        }
        store.expire_run(&self.manifest.run).await?;
        std::fs::remove_file(&self.cursor_file).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error.into()),
        })
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
        let under_way = self.coordinator.cells_under_way();
        CellCounts { planned: self.cells, finished: self.progress().cells_finished(), under_way, dead: 0 }
    }

    fn spent(&self) -> NanoUsd {
        NanoUsd(self.spent_before.0 + self.progress().spent().0)
    }
}
