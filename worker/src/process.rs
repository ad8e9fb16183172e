//! A worker process of a fleet: joins runs as they begin, and leaves them when they end, pause or are cancelled.

mod ended_runs;
mod error;
mod fit_calls;
mod starvation_watchdog;
mod under_orders;
mod worker_pool;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::budget::Budget;
use valuesim_shared::budget::purses::Purses;
use valuesim_shared::control::{AboutRun, Control, DesiredState, Order, RunPhase};
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::fleet::Servers;
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::QueueAdmin;
use valuesim_shared::store::Store;
use valuesim_shared::telemetry::HttpStatus;

use self::ended_runs::EndedRuns;
use self::fit_calls::fit_calls;
use self::starvation_watchdog::StarvationWatchdog;
use crate::brake::BrakeBook;
use crate::config::{Served, WorkerConfig};
use crate::error::WorkerError;
use crate::evidence::EvidenceBook;
use crate::metrics::Metrics;
use crate::provider::Keys;
use crate::timeouts::{HoldLimits, Timeouts};
use crate::worker::Worker;

pub use self::error::ProcessError;
pub use self::under_orders::work_under_orders;
pub use self::worker_pool::{Member, WorkerPool};

/// How often it asks which runs there are.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How long a process that serves all runs waits before it tries a run again that it could not serve: somebody may have
/// topped up the provider's account or corrected the key.
const RETRY_RUN_AFTER: Duration = Duration::from_mins(1);

/// Which runs a worker serves.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// All active runs, as they appear.
    All,
    /// These, until the last of them has ended.
    These(BTreeSet<RunId>),
}

/// The settings of a worker process.
pub struct ProcessConfig {
    /// The runs that it serves.
    pub wanted: Wanted,
    /// The models that it serves.
    pub served: Served,
    /// Its keys, and where they may go.
    pub keys: Keys,
    /// The limit of calls in flight for each model, all runs together. `None` uses the experiment's limit.
    pub calls_in_flight: Option<u32>,
    /// The most calls in flight to all models of a run, which the limit of open files carries. `None` if there is no limit.
    pub most_calls: Option<u32>,
    /// How long it may hold tasks.
    pub hold_limits: HoldLimits,
    /// The newest version of the task message that it can execute.
    pub newest_task: u16,
    /// Where it draws what calls of a run with a budget cost.
    pub purses: Purses,
    /// Tells the user what the process does.
    pub tell: fn(&str),
}

/// A worker process.
pub struct WorkerProcess<Q, S, C, O: PermitOffice> {
    servers: Servers<Q, S, C>,
    config: ProcessConfig,
    pool: Arc<WorkerPool<Q, S, O>>,
    metrics: Metrics,
    /// How often it has joined a run with a budget.
    joined: AtomicU64,
    evidence: EvidenceBook,
    brakes: BrakeBook,
}

/// The state of a run.
enum RunState {
    Open,
    /// It is to pause or to end, by this order.
    PausedOrCancelled(Order),
    Ended,
}

/// What the process remembers from one poll of the runs to the next.
#[derive(Default)]
struct Memory {
    /// When to try again to serve the runs that could not be served.
    retry_at: BTreeMap<RunId, Instant>,
    /// Runs with finished cells: their providers have answered before.
    with_finished_cells: BTreeSet<RunId>,
    /// Named runs that have ended.
    ended: BTreeSet<RunId>,
    /// Runs that have ended and are not left yet.
    not_left: EndedRuns,
    /// For each run that is not served, the reason that the user was told last.
    told: BTreeMap<RunId, String>,
}

/// The run of a worker that has ended, and how it ended.
type MemberEnd = (RunId, Result<(), WorkerError>);

impl<Q: QueueAdmin, S: Store, C: Control, O: PermitOffice> WorkerProcess<Q, S, C, O> {
    /// A worker process on `servers`. Its calls get their permits from `office`; `http_status` shows its state.
    pub fn new(servers: Servers<Q, S, C>, office: O, http_status: Arc<HttpStatus>, config: ProcessConfig) -> Self {
        let (metrics, evidence) = (Metrics::new(http_status.registry()), EvidenceBook::default());
        let (pool, joined) = (WorkerPool::new(office, Some(http_status)), AtomicU64::new(0));
        Self { servers, config, pool, metrics, joined, evidence, brakes: BrakeBook::default() }
    }

    /// Works until `stop` is cancelled or all named runs have ended. Then it finishes the calls in flight and hands its
    /// unfinished tasks back.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), ProcessError> {
        let (queue, control) = (self.servers.queue.clone(), self.servers.control.clone());
        let problems = move || [queue.problem(), control.problem()];
        let reporting = self.pool.clone().report(self.servers.control.clone(), problems);
        let reporting = AbortOnDropHandle::new(tokio::spawn(reporting));
        let (mut tasks, mut memory) = (JoinSet::new(), Memory::default());
        let ended = tokio::select! {
            biased;
            ended = self.serve(stop, &mut tasks, &mut memory) => ended,
            never = self.watch_for_starvation() => never,
        };
        self.pool.drain();
        let mut last = Ok(());
        while let Some(end) = tasks.join_next().await {
            last = last.and(self.member_ended(end?, &mut memory));
        }
        drop(reporting);
        let ended = ended.and(last);
        self.report_the_end(&ended).await;
        self.servers.queue.close().await;
        ended
    }

    /// Reports that this process ends. The last report of one that refuses a run stays until it expires: coordinators read it.
    async fn report_the_end(&self, ended: &Result<(), ProcessError>) {
        let control = &self.servers.control;
        if ended.as_ref().is_err_and(ProcessError::refuses_a_run) {
            self.pool.report_now(control).await;
        } else if let Err(error) = control.worker_ended(&self.pool.process.id).await {
            tracing::debug!(%error, "could not report that this worker ends");
        }
    }

    /// Reports when tasks wait but this process receives none.
    async fn watch_for_starvation<T>(&self) -> T {
        let (mut watchdog, mut ticks) = (StarvationWatchdog::default(), interval(starvation_watchdog::CHECK_EVERY));
        loop {
            ticks.tick().await;
            let starved_of = watchdog.check(&self.servers.queue, self.pool.idle_sources()).await;
            if let Some(status) = &self.pool.http_status {
                status.set_starved_of(starved_of);
            }
        }
    }

    async fn serve(
        &self,
        stop: &CancellationToken,
        tasks: &mut JoinSet<MemberEnd>,
        memory: &mut Memory,
    ) -> Result<(), ProcessError> {
        let mut ticks = interval(POLL_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(end) = tasks.join_next() => self.member_ended(end?, memory)?,
                _ = ticks.tick() => {
                    let Some(polled) = stop.run_until_cancelled(self.poll_runs(tasks, memory)).await else { return Ok(()) };
                    polled?;
                    if self.is_done(memory) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Joins the open runs that are wanted, and leaves those that are paused, cancelled or ended.
    async fn poll_runs(&self, tasks: &mut JoinSet<MemberEnd>, memory: &mut Memory) -> Result<(), ProcessError> {
        let runs = match self.servers.control.runs().await {
            Ok(runs) => runs.all,
            Err(error) => {
                tracing::debug!(%error, "could not list the runs; asking again in a second");
                return Ok(());
            }
        };
        let begun = runs.iter().filter(|(about, _)| about.cells.finished > 0);
        memory.with_finished_cells = begun.map(|(about, _)| about.run.clone()).collect();
        let states: BTreeMap<RunId, RunState> = runs.into_iter().map(state).collect();
        self.leave_runs_not_open(&states);
        self.forget_what_was_wrong_with(&states, memory);
        let wanted = self.wanted_runs(&states, memory);
        memory.retry_at.retain(|run, at| *at > Instant::now() && !has_ended(&states, run));
        memory.told.retain(|run, _| wanted.contains(run));
        for run in wanted {
            let is_served = self.pool.members().contains_key(&run);
            if !is_served && !memory.retry_at.contains_key(&run) {
                self.join_run(run, tasks, memory).await?;
            }
        }
        Ok(())
    }

    /// The runs that the process should serve now. Also records which of the named runs have ended.
    fn wanted_runs(&self, states: &BTreeMap<RunId, RunState>, memory: &mut Memory) -> Vec<RunId> {
        let is_open = |run: &RunId| matches!(states.get(run), Some(RunState::Open));
        match &self.config.wanted {
            Wanted::All => states.keys().filter(|run| is_open(run)).cloned().collect(),
            Wanted::These(runs) => {
                memory.ended = runs.iter().filter(|run| has_ended(states, run)).cloned().collect();
                // A run that is missing from the list may still be in the store.
                runs.iter().filter(|run| is_open(run) || !states.contains_key(*run)).cloned().collect()
            }
        }
    }

    fn leave_runs_not_open(&self, states: &BTreeMap<RunId, RunState>) {
        for (run, member) in self.pool.members().iter() {
            match states.get(run) {
                None | Some(RunState::Open) => continue,
                Some(RunState::PausedOrCancelled(order)) if !member.leave.is_cancelled() => {
                    let (what, by) = (order.desired, &order.by);
                    (self.config.tell)(&format!("{by} wants run {run} to {what}: handing its tasks back"));
                }
                Some(RunState::PausedOrCancelled(_) | RunState::Ended) => {}
            }
            member.leave.cancel();
        }
    }

    /// Whoever begins a run again that has ended has changed something.
    fn forget_what_was_wrong_with(&self, states: &BTreeMap<RunId, RunState>, memory: &mut Memory) {
        let ended = states.keys().filter(|run| has_ended(states, run));
        for run in memory.not_left.left(ended, |run| self.pool.members().contains_key(run)) {
            self.pool.forget_unserved(&run);
            self.brakes.forget(&run);
            memory.retry_at.remove(&run);
        }
    }

    fn is_done(&self, memory: &Memory) -> bool {
        match &self.config.wanted {
            Wanted::These(runs) => *runs == memory.ended && self.pool.members().is_empty(),
            Wanted::All => false,
        }
    }

    /// Starts to serve a run, if its manifest is in the store and has a model for this process.
    async fn join_run(
        &self,
        run: RunId,
        tasks: &mut JoinSet<MemberEnd>,
        memory: &mut Memory,
    ) -> Result<(), ProcessError> {
        let Some(manifest) = self.servers.store.manifest(&run).await? else {
            // If all runs are wanted, this one came from their list, and its coordinator will put the manifest back.
            if matches!(self.config.wanted, Wanted::These(_)) {
                self.tell_once(&run, format!("run {run} is not known yet: waiting for it"), memory);
            }
            return Ok(());
        };
        let manifest = match Manifest::from_bytes(&manifest) {
            Ok(manifest) => manifest,
            Err(error) => return self.member_ended((run, Err(error.into())), memory),
        };
        if !manifest.models.iter().any(|model| self.config.served.has(model)) {
            self.tell_once(&run, without_model(&run, &self.config.served, &manifest.models), memory);
            memory.retry_at.insert(run, Instant::now() + RETRY_RUN_AFTER);
            return Ok(());
        }
        let member = match self.member(manifest, memory.with_finished_cells.contains(&run)) {
            Ok(member) => member,
            Err(error) => return self.member_ended((run, Err(error)), memory),
        };
        memory.told.remove(&run);
        (self.config.tell)(&format!("serving run {run}"));
        let (worker, leave, queue) = (member.worker.clone(), member.leave.clone(), self.servers.queue.clone());
        self.pool.join(run.clone(), member);
        tasks.spawn(async move {
            let ended = worker.work(&leave).await;
            worker.give_back_money().await;
            // Channels are limited, and other workers wait for the tasks that were prefetched here.
            queue.leave(&run).await;
            (run, ended)
        });
        Ok(())
    }

    /// Tells the user why a run is not served, unless that was the last thing told about it.
    fn tell_once(&self, run: &RunId, why: String, memory: &mut Memory) {
        if memory.told.get(run) != Some(&why) {
            (self.config.tell)(&why);
            memory.told.insert(run.clone(), why);
        }
    }

    fn member(&self, mut manifest: Manifest, has_finished_cells: bool) -> Result<Member<Q, S, O>, WorkerError> {
        let served = &self.config.served;
        if let Some(calls) = self.config.calls_in_flight {
            manifest.models.iter_mut().for_each(|model| model.limits.calls_in_flight = calls);
        }
        if let Some(fewer) = fit_calls(&mut manifest.models, served, self.config.most_calls) {
            (self.config.tell)(&format!("run {}: {fewer}", manifest.run));
        }
        let ports = (self.servers.queue.clone(), self.servers.store.clone(), self.pool.office.clone());
        let config = WorkerConfig {
            served: served.clone(),
            timeouts: Timeouts { hold_limits: self.config.hold_limits, ..Timeouts::default() },
            on_bad_message: OnBadMessage::DeadLetter { by: self.pool.process.id.clone() },
            newest_task: self.config.newest_task,
            metrics: Some(self.metrics.clone()),
            keys: self.config.keys.clone(),
            budget: manifest.budgeted.then(|| self.budget(&manifest)),
            evidence: self.evidence.clone(),
            brakes: self.brakes.clone(),
            has_finished_cells,
        };
        let worker = Worker::of_manifest(manifest, ports, config)?;
        Ok(Member { worker, leave: CancellationToken::new() })
    }

    /// What this process may spend on a run, each time that it joins it.
    fn budget(&self, manifest: &Manifest) -> Budget {
        let owner = format!("{}/{}", self.pool.process.id, self.joined.fetch_add(1, Ordering::Relaxed));
        Budget::in_fleet(self.config.purses.clone(), manifest.run.clone(), owner, manifest.models.len())
    }

    /// Handles the end of a run's worker. An error ends the process if the run was named; otherwise the process tries the
    /// run again after a while.
    fn member_ended(&self, (run, ended): MemberEnd, memory: &mut Memory) -> Result<(), ProcessError> {
        self.pool.leave(&run);
        let Err(error) = ended else {
            (self.config.tell)(&format!("left run {run}"));
            return Ok(());
        };
        self.pool.record_unserved(run.clone(), &error, RETRY_RUN_AFTER);
        match self.config.wanted {
            Wanted::These(_) => Err(error.into()),
            Wanted::All => {
                tracing::error!(%run, %error, seconds = RETRY_RUN_AFTER.as_secs(), "could not serve the run; trying again later");
                memory.retry_at.insert(run, Instant::now() + RETRY_RUN_AFTER);
                Ok(())
            }
        }
    }
}

/// Says that a run has none of the models that this process serves.
fn without_model(run: &RunId, served: &Served, models: &[ModelSettings]) -> String {
    let wanted: Vec<&str> = match served {
        Served::All => Vec::new(),
        Served::Named(names) => names.iter().map(String::as_str).collect(),
    };
    let there: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    format!("run {run} has no model named {}; it has {}", wanted.join(" or "), there.join(", "))
}

fn has_ended(states: &BTreeMap<RunId, RunState>, run: &RunId) -> bool {
    matches!(states.get(run), Some(RunState::Ended))
}

fn state((about, order): (AboutRun, Option<Order>)) -> (RunId, RunState) {
    let leaving = order.filter(|order| order.desired != DesiredState::Go);
    let state = match (about.phase, leaving) {
        (RunPhase::Begun, None) => RunState::Open,
        (RunPhase::Begun, Some(order)) => RunState::PausedOrCancelled(order),
        _ => RunState::Ended,
    };
    (about.run, state)
}
