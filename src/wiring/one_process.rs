//! Coordinator and worker of a run in one process, connected in memory. Orders and reports are in the run's folder.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::{Coordinator, Progress, RunEnd};
use valuesim_coordinator::fleet::{FleetEnd, Heartbeat, RunSize};
use valuesim_coordinator::kept_replies::KeptReplies;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::live::LiveScores;
use valuesim_coordinator::off_peak::OffPeak;
use valuesim_coordinator::plan::Plan;
use valuesim_coordinator::retrieval::Retrieval;
use valuesim_coordinator::rounds::Rounds;
use valuesim_coordinator::spent::{gauge, obey, open_budget, stop_at_the_wall};
use valuesim_coordinator::wall::Others;
use valuesim_shared::budget::{Budget, PurseLimit};
use valuesim_shared::control::{Control as _, DesiredState, FolderControl, Order, RunPhase, this_process};
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::permit::{Limits, PermitOffice as _, QuotaOffice};
use valuesim_shared::queue::MemoryQueue;
use valuesim_shared::store::{EmbeddedStore, Store as _};
use valuesim_shared::survey::Survey;
use valuesim_shared::telemetry::HttpStatus;
use valuesim_worker::config::WorkerConfig;
use valuesim_worker::error::WorkerError;
use valuesim_worker::meter::Meter;
use valuesim_worker::metrics::Metrics;
use valuesim_worker::process::{Member, WorkerPool, work_under_orders};
use valuesim_worker::timeouts::Timeouts;
use valuesim_worker::worker::Worker;

use super::permit_office;
use crate::progress::Waiting;
use crate::run_folder::RunFolder;

/// Cells in progress for each call in flight: a cell's story is a single call, so calls in flight need a cell each.
const CELLS_FOR_EACH_CALL: usize = 2;

/// Minimum cells in progress: enough that a model is not idle while its last stories are written.
const FEWEST_CELLS: usize = 64;

type LocalWorker = Worker<MemoryQueue, EmbeddedStore, QuotaOffice>;

/// Coordinator and worker of a run, connected in memory.
pub(crate) struct OneProcess {
    run: RunId,
    coordinator: Arc<Coordinator<MemoryQueue, EmbeddedStore>>,
    worker: LocalWorker,
    office: QuotaOffice,
    control: FolderControl,
    heartbeat: Heartbeat<MemoryQueue, EmbeddedStore, FolderControl>,
    pool: Arc<WorkerPool<MemoryQueue, EmbeddedStore, QuotaOffice>>,
    tell: fn(&str),
    budget: Option<Budget>,
}

/// What a run in one process is made of.
pub(crate) struct Parts<'a> {
    pub(crate) manifest: Manifest,
    pub(crate) plan: &'a Arc<Plan>,
    pub(crate) survey: &'a Arc<Survey>,
    pub(crate) ledger: &'a Arc<Ledger>,
    /// Finds the items of profiles for `rag`; none unless the run has it.
    pub(crate) retrieval: Option<Arc<Retrieval>>,
    /// What earlier runs have of its cells.
    pub(crate) kept: Arc<KeptReplies>,
    /// Lets its cells wait for cheap hours; none if they begin at any hour.
    pub(crate) off_peak: Option<OffPeak>,
    /// Scores its finished cells while it goes on.
    pub(crate) live: LiveScores,
    /// The rounds in which people are asked; none if they are asked all at once.
    pub(crate) rounds: Option<Arc<Rounds>>,
    pub(crate) folder: &'a RunFolder,
    /// The cost of the finished cells.
    pub(crate) spent_before: NanoUsd,
    /// What its calls may cost; none if nothing is limited.
    pub(crate) purses: Vec<PurseLimit>,
    /// What its embeddings cost.
    pub(crate) spent_on_embeddings: NanoUsd,
    /// Where the process serves probes and metrics, if it does.
    pub(crate) http_status: Option<Arc<HttpStatus>>,
    /// Tells people what the process does.
    pub(crate) tell: fn(&str),
}

impl OneProcess {
    /// Connects both sides. Reads the providers' keys, and makes no call.
    pub(crate) async fn new(parts: Parts<'_>) -> anyhow::Result<Self> {
        let Parts {
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
            spent_before,
            purses,
            spent_on_embeddings,
            http_status,
            tell,
        } = parts;
        let run = manifest.run.clone();
        let limits: Vec<Limits> = manifest.models.iter().map(|model| model.limits).collect();
        let max_in_flight = limits.iter().map(|limits| limits.calls_in_flight as usize).max().unwrap_or(1);
        let window = (max_in_flight * CELLS_FOR_EACH_CALL).max(FEWEST_CELLS);
        // Every message belongs to a cell of some window, so no queue can fill up while its readers wait for another.
        let queue = MemoryQueue::new(window * limits.len().max(1));
        let (store, control) = (EmbeddedStore::open(&folder.store())?, FolderControl::in_folder(folder.control()));
        store.put_manifest(&run, &manifest.to_bytes()).await?;
        let (plan, survey, ledger) = (Arc::clone(plan), Arc::clone(survey), Arc::clone(ledger));
        let budget =
            open_budget(purses, &run, (&*plan, &*ledger, spent_on_embeddings), (&store, folder.path()), tell).await?;
        let size = RunSize { most_cells: plan.cells(), spent_before };
        let coordinator = Coordinator::new(&manifest, plan, survey, ledger, (queue.clone(), store.clone()), window)?;
        let coordinator =
            Arc::new(coordinator.retrieving(retrieval).reusing(kept).when(off_peak).scoring(live).in_rounds(rounds)?);
        let (shown, about) = ((http_status.as_deref(), tell), (&manifest, this_process()));
        let heartbeat = Heartbeat::new(Arc::clone(&coordinator), control.clone(), about, size, shown).await;
        let heartbeat = heartbeat.showing(gauge(budget.as_ref()));
        let (office, metrics) = (permit_office(), http_status.as_ref().map(|status| Metrics::new(status.registry())));
        let alone = WorkerConfig::alone(Timeouts::default(), coordinator.progress().cells_finished());
        let config = WorkerConfig { metrics, budget: budget.clone(), ..alone };
        let worker = Worker::of_manifest(manifest, (queue, store, office.clone()), config)?;
        let pool = WorkerPool::new(office.clone(), http_status);
        pool.join(run.clone(), Member { worker: worker.clone(), leave: CancellationToken::new() });
        Ok(Self { run, coordinator, worker, office, control, heartbeat, pool, tell, budget })
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.worker.meter()
    }

    /// A function that returns which calls wait on purpose at the moment, and why.
    pub(crate) fn waiting(&self) -> Waiting {
        let office = self.office.clone();
        Box::new(move || office.waits())
    }

    /// Runs until all cells are finished, `stop` is cancelled, an operator cancels the run, or either side fails. Calls in
    /// flight are finished and kept in any case.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> anyhow::Result<FleetEnd> {
        let no_problems = || [None::<String>; 0];
        let end = tokio::select! {
            biased;
            end = self.coordinate_and_work(stop) => end,
            never = self.heartbeat.beat(RunPhase::Begun, no_problems) => never,
            () = Arc::clone(&self.pool).report(self.control.clone(), no_problems) => unreachable!("it reports for ever"),
        };
        self.heartbeat.update_metrics();
        self.pool.report_now(&self.control).await;
        let told = match &end {
            Ok(FleetEnd::Finished) => self.heartbeat.announce(self.coordinator.phase_at_end()).await,
            Ok(FleetEnd::Cancelled { .. }) => self.heartbeat.announce(RunPhase::Cancelled).await,
            Ok(FleetEnd::OutOfBudget) => self.heartbeat.announce(RunPhase::OutOfBudget).await,
            Ok(FleetEnd::Interrupted | FleetEnd::Refused(_)) => Ok(()),
            Err(error) => self.heartbeat.stopped_by(format!("{error:#}")).await,
        };
        self.heartbeat.ends().await;
        if let Err(error) = told.and(self.control.worker_ended(self.pool.id()).await) {
            tracing::debug!(%error, "could not report how this run ended");
        }
        end
    }

    async fn coordinate_and_work(&self, stop: &CancellationToken) -> anyhow::Result<FleetEnd> {
        let halting = stop.child_token();
        // The coordinator goes on until the worker has ended: cells that finish meanwhile are paid for, and recorded.
        let nobody_works = CancellationToken::new();
        let coordinating = async {
            let end = self.coordinator.run(&nobody_works).await;
            halting.cancel();
            end
        };
        let working = async {
            let end = self.work(&halting).await;
            nobody_works.cancel();
            end
        };
        let others = |walled: &_| Others::of(&self.coordinator, walled);
        let watching = stop_at_the_wall(self.budget.as_ref(), others, (&nobody_works, &halting));
        let (end, worked, is_spent) = tokio::join!(coordinating, working, watching);
        Ok(match (worked?, end?) {
            (_, RunEnd::Finished) => FleetEnd::Finished,
            (Some(Order { by, .. }), RunEnd::Interrupted) => FleetEnd::Cancelled { by },
            (None, RunEnd::Interrupted) if is_spent => FleetEnd::OutOfBudget,
            (None, RunEnd::Interrupted) => FleetEnd::Interrupted,
        })
    }

    /// The order that ended the work, if one did.
    async fn work(&self, stop: &CancellationToken) -> Result<Option<Order>, WorkerError> {
        let following = self.control.follow(&self.run).await;
        let before = std::cell::Cell::new(DesiredState::Go);
        let on_order = |order: &Order| {
            self.heartbeat.remember(Some(order));
            self.budget.iter().for_each(|budget| obey(budget, order, self.tell));
            let (run, by, at) = (&self.run, &order.by, order.at);
            (self.tell)(&match (order.desired, before.replace(order.desired)) {
                (DesiredState::Go, DesiredState::Go) => return,
                (DesiredState::Go, _) => format!("resumed by {by}"),
                (DesiredState::Pause, _) => format!("paused by {by} at {at}: `valuesim resume {run}` resumes it"),
                (DesiredState::Cancel, _) => format!("cancelled by {by}: calls in flight are finished first"),
            });
        };
        work_under_orders(&self.worker, following.order.clone(), stop, on_order).await
    }
}
