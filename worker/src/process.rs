//! A worker process of a fleet: takes up runs as they begin, leaves them as they end or are to pause.

mod error;
mod starvation_watchdog;
mod under_orders;
mod worker_pool;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
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

use self::starvation_watchdog::StarvationWatchdog;
use crate::config::{Served, WorkerConfig};
use crate::error::WorkerError;
use crate::metrics::Metrics;
use crate::timeouts::{Keeping, Timeouts};
use crate::worker::Worker;

pub use self::error::ProcessError;
pub use self::under_orders::work_under_orders;
pub use self::worker_pool::{Member, WorkerPool};

/// How often it looks which runs there are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a run is left alone that could not be served, when the process has others: a provider's account may be filled,
/// a key mended.
const REST: Duration = Duration::from_mins(1);

/// Which runs a worker serves.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// All that have begun and not ended, as they appear.
    All,
    /// These, until the last of them has ended.
    These(BTreeSet<RunId>),
}

/// What a worker process is told.
pub struct ProcessConfig {
    /// The runs that it serves.
    pub wanted: Wanted,
    /// The models that it serves.
    pub served: Served,
    /// Calls in flight for each model, all runs together, where it is not the experiment's number.
    pub calls_in_flight: Option<u32>,
    /// How long it keeps tasks.
    pub keeping: Keeping,
    /// The newest version of the task message that it does.
    pub newest_task: u16,
    /// Says to people what the process does.
    pub tell: fn(&str),
}

/// A worker process.
pub struct WorkerProcess<Q, S, C, O: PermitOffice> {
    servers: Servers<Q, S, C>,
    config: ProcessConfig,
    pool: Arc<WorkerPool<Q, S, O>>,
    metrics: Metrics,
}

/// How a run stands.
enum Standing {
    Open,
    /// It is to pause, or to end; by whom.
    Halted(Order),
    Ended,
}

/// What the process remembers between two looks at the runs.
#[derive(Default)]
struct Memory {
    /// Runs that could not be served, until when.
    resting: BTreeMap<RunId, Instant>,
    /// Named runs that have ended.
    ended: BTreeSet<RunId>,
    /// What was said last of why nothing is done for a run.
    told: BTreeMap<RunId, String>,
}

/// A worker that is not there any more, and why.
type Left = (RunId, Result<(), WorkerError>);

impl<Q: QueueAdmin, S: Store, C: Control, O: PermitOffice> WorkerProcess<Q, S, C, O> {
    /// A worker process on `servers`, whose calls get their permits from `office`, and which `http_status` shows.
    pub fn new(servers: Servers<Q, S, C>, office: O, http_status: Arc<HttpStatus>, config: ProcessConfig) -> Self {
        let metrics = Metrics::new(http_status.registry());
        Self { servers, config, pool: WorkerPool::new(office, Some(http_status)), metrics }
    }

    /// Works until `stop` is cancelled or the runs it was told have ended; then finishes the calls in flight and hands
    /// the rest back.
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
        while let Some(left) = tasks.join_next().await {
            last = last.and(self.left(left?, &mut memory));
        }
        drop(reporting);
        if let Err(error) = self.servers.control.worker_ended(&self.pool.process.id).await {
            tracing::debug!(%error, "could not say that this worker ends");
        }
        self.servers.queue.close().await;
        ended.and(last)
    }

    /// Notices when tasks wait and this process receives none.
    async fn watch_for_starvation<T>(&self) -> T {
        let (mut watchdog, mut looks) = (StarvationWatchdog::default(), interval(starvation_watchdog::LOOK_EVERY));
        loop {
            looks.tick().await;
            let starved_of = watchdog.check(&self.servers.queue, self.pool.listening()).await;
            if let Some(status) = &self.pool.http_status {
                status.set_starved_of(starved_of);
            }
        }
    }

    async fn serve(
        &self,
        stop: &CancellationToken,
        tasks: &mut JoinSet<Left>,
        memory: &mut Memory,
    ) -> Result<(), ProcessError> {
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(left) = tasks.join_next() => self.left(left?, memory)?,
                _ = looks.tick() => {
                    let Some(looked) = stop.run_until_cancelled(self.look(tasks, memory)).await else { return Ok(()) };
                    looked?;
                    if self.is_done(memory) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes up what is open, leaves what is halted or has ended.
    async fn look(&self, tasks: &mut JoinSet<Left>, memory: &mut Memory) -> Result<(), ProcessError> {
        let runs = match self.servers.control.runs().await {
            Ok(runs) => runs.all,
            Err(error) => {
                tracing::debug!(%error, "cannot see which runs there are");
                return Ok(());
            }
        };
        let standings: BTreeMap<RunId, Standing> = runs.into_iter().map(standing).collect();
        self.leave_what_is_not_open(&standings);
        let is_ended = |run: &&RunId| matches!(standings.get(*run), Some(Standing::Ended));
        let open = |run: &RunId| matches!(standings.get(run), Some(Standing::Open));
        let wanted: Vec<RunId> = match &self.config.wanted {
            Wanted::All => standings.keys().filter(|run| open(run)).cloned().collect(),
            Wanted::These(runs) => {
                memory.ended = runs.iter().filter(is_ended).cloned().collect();
                // One that is not in the list may be in the store all the same.
                runs.iter().filter(|run| open(run) || !standings.contains_key(*run)).cloned().collect()
            }
        };
        memory.resting.retain(|_, until| *until > Instant::now());
        memory.told.retain(|run, _| wanted.contains(run));
        for run in wanted {
            let is_taken = self.pool.members().contains_key(&run) || memory.resting.contains_key(&run);
            if !is_taken {
                self.take_up(run, tasks, memory).await?;
            }
        }
        Ok(())
    }

    fn leave_what_is_not_open(&self, standings: &BTreeMap<RunId, Standing>) {
        for (run, member) in self.pool.members().iter() {
            match standings.get(run) {
                None | Some(Standing::Open) => continue,
                Some(Standing::Halted(order)) if !member.leave.is_cancelled() => {
                    let (what, by) = (order.desired, &order.by);
                    (self.config.tell)(&format!("{by} wants run {run} to {what}: handing its tasks back"));
                }
                Some(Standing::Halted(_) | Standing::Ended) => {}
            }
            member.leave.cancel();
        }
    }

    fn is_done(&self, memory: &Memory) -> bool {
        match &self.config.wanted {
            Wanted::These(runs) => *runs == memory.ended && self.pool.members().is_empty(),
            Wanted::All => false,
        }
    }

    /// Begins to serve a run, if its manifest is there and has a model for this process.
    async fn take_up(&self, run: RunId, tasks: &mut JoinSet<Left>, memory: &mut Memory) -> Result<(), ProcessError> {
        let Some(manifest) = self.servers.store.manifest(&run).await? else {
            // Where all runs are wanted it is in their list, and its coordinator puts the manifest back.
            if matches!(self.config.wanted, Wanted::These(_)) {
                self.tell_once(&run, format!("run {run} is not known yet: waiting for it"), memory);
            }
            return Ok(());
        };
        let manifest = match Manifest::from_bytes(&manifest) {
            Ok(manifest) => manifest,
            Err(error) => return self.left((run, Err(error.into())), memory),
        };
        if !manifest.models.iter().any(|model| self.config.served.has(model)) {
            self.tell_once(&run, without_model(&run, &self.config.served, &manifest.models), memory);
            memory.resting.insert(run, Instant::now() + REST);
            return Ok(());
        }
        let member = match self.member(manifest) {
            Ok(member) => member,
            Err(error) => return self.left((run, Err(error)), memory),
        };
        memory.told.remove(&run);
        (self.config.tell)(&format!("serving run {run}"));
        let (worker, leave, queue) = (member.worker.clone(), member.leave.clone(), self.servers.queue.clone());
        self.pool.join(run.clone(), member);
        tasks.spawn(async move {
            let ended = worker.work(&leave).await;
            // Its channels are few, and others wait for what it fetched.
            queue.leave(&run).await;
            (run, ended)
        });
        Ok(())
    }

    /// Says why nothing is done for a run, unless it was said before.
    fn tell_once(&self, run: &RunId, why: String, memory: &mut Memory) {
        if memory.told.get(run) != Some(&why) {
            (self.config.tell)(&why);
            memory.told.insert(run.clone(), why);
        }
    }

    fn member(&self, mut manifest: Manifest) -> Result<Member<Q, S, O>, WorkerError> {
        let served = &self.config.served;
        if let Some(calls) = self.config.calls_in_flight {
            manifest.models.iter_mut().for_each(|model| model.limits.calls_in_flight = calls);
        }
        let ports = (self.servers.queue.clone(), self.servers.store.clone(), self.pool.office.clone());
        let duty = WorkerConfig {
            served: served.clone(),
            timing: Timeouts { keeping: self.config.keeping, ..Timeouts::default() },
            on_bad_message: OnBadMessage::DeadLetter { by: self.pool.process.id.clone() },
            newest_task: self.config.newest_task,
            metrics: Some(self.metrics.clone()),
        };
        let worker = Worker::of_manifest(manifest, ports, duty)?;
        Ok(Member { worker, leave: CancellationToken::new() })
    }

    /// A run that was asked for by name and cannot be served ends the process; another is left alone for a while.
    fn left(&self, (run, ended): Left, memory: &mut Memory) -> Result<(), ProcessError> {
        self.pool.leave(&run);
        let Err(error) = ended else {
            (self.config.tell)(&format!("left run {run}"));
            return Ok(());
        };
        match self.config.wanted {
            Wanted::These(_) => Err(error.into()),
            Wanted::All => {
                self.pool.leaves_alone(run.clone(), error.to_string(), REST);
                tracing::error!(%run, %error, seconds = REST.as_secs(), "this worker cannot serve the run, and tries again");
                memory.resting.insert(run, Instant::now() + REST);
                Ok(())
            }
        }
    }
}

/// That a run has none of the models that this process serves.
fn without_model(run: &RunId, served: &Served, models: &[ModelSettings]) -> String {
    let wanted: Vec<&str> = match served {
        Served::All => Vec::new(),
        Served::Named(names) => names.iter().map(String::as_str).collect(),
    };
    let there: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    format!("run {run} has no model named {}; it has {}", wanted.join(" or "), there.join(", "))
}

fn standing((about, order): (AboutRun, Option<Order>)) -> (RunId, Standing) {
    let halting = order.filter(|order| order.desired != DesiredState::Go);
    let standing = match (about.phase, halting) {
        (RunPhase::Begun, None) => Standing::Open,
        (RunPhase::Begun, Some(order)) => Standing::Halted(order),
        _ => Standing::Ended,
    };
    (about.run, standing)
}
