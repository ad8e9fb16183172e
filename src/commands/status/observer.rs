//! Inspects store and broker concurrently, each as far as it can be reached.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use valuesim_shared::control::{
    AboutRun, Control, ControlError, CoordinatorReport, FolderControl, Order, RedisControl, RunPhase, RunScores,
    UnixMillis, WorkerReport,
};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::{BrokerState, QueueKind, QueueName, RabbitQueue};

use super::attention::attention;
use super::found::{QUEUES_WITHIN, RunStatus, Server, Status, Unreached};
use crate::commands::queues::{self, FoundQueue};
use crate::servers::{Addresses, BrokerAddress, StoreAddress, hang_up, within};

/// How long the store may take in all. Each request to it has a shorter limit, whose error says what went wrong.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// Inspects runs, and keeps its connections for the next inspection.
pub(super) struct Observer {
    source: Source,
    wanted: Option<RunId>,
}

/// Where orders and reports are.
enum Source {
    Servers(Box<Servers>),
    /// In run folders.
    Folders(Vec<FolderControl>),
}

/// The servers of a fleet, and the connections to them.
struct Servers {
    addresses: Addresses,
    control: Option<RedisControl>,
    queue: Option<RabbitQueue>,
}

/// What the store reports.
#[derive(Debug, Default)]
struct Told {
    runs: Vec<(AboutRun, Option<Order>)>,
    coordinators: Vec<CoordinatorReport>,
    workers: Vec<WorkerReport>,
    /// Of the runs that are shown.
    scores: Vec<RunScores>,
    unreadable: u32,
}

impl Observer {
    /// Inspects the `wanted` run of a fleet, or all runs.
    pub(super) fn at_servers(addresses: Addresses, wanted: Option<RunId>) -> Self {
        Self { source: Source::Servers(Box::new(Servers { addresses, control: None, queue: None })), wanted }
    }

    /// Inspects runs without servers.
    pub(super) fn at_folders(controls: Vec<FolderControl>, wanted: Option<RunId>) -> Self {
        Self { source: Source::Folders(controls), wanted }
    }

    /// Inspects once; takes about five seconds if nothing answers.
    pub(super) async fn look(&mut self) -> Status {
        let wanted = self.wanted.as_ref();
        let mut status = match &mut self.source {
            Source::Servers(servers) => Box::pin(servers.look(wanted)).await,
            Source::Folders(controls) => look_at_folders(controls, wanted).await,
        };
        status.say_what_needs_attention();
        status
    }

    /// Disconnects.
    pub(super) async fn close(&self) {
        if let Source::Servers(servers) = &self.source
            && let Some(queue) = &servers.queue
        {
            hang_up(queue).await;
        }
    }
}

impl Servers {
    async fn look(&mut self, wanted: Option<&RunId>) -> Status {
        let Self { addresses, control, queue } = self;
        let telling = within("ask the store", STORE_WITHIN, told(control, &addresses.store, wanted));
        let (told, reached) = tokio::join!(telling, reach(queue, &addresses.broker));
        let mut status = Status::of_nothing();
        let told = status.or_unreached(Server::Store, told).unwrap_or_default();
        let queue = status.or_unreached(Server::Broker, reached);
        status.take_in(told, wanted);
        if let Some(queue) = queue {
            let looked = queues_of(&queue, &mut status.runs).await;
            status.or_unreached(Server::Broker, looked);
        }
        status
    }
}

async fn look_at_folders(controls: &[FolderControl], wanted: Option<&RunId>) -> Status {
    let mut all = Told::default();
    let mut status = Status { of_fleet: false, ..Status::of_nothing() };
    for control in controls {
        if let Some(told) = status.or_unreached(Server::Store, ask(control, wanted).await.map_err(Into::into)) {
            all.add(told);
        }
    }
    status.take_in(all, wanted);
    // Their queues are in the memory of the run's process.
    status.runs.iter_mut().for_each(|run| run.queues = Some(Vec::new()));
    status
}

impl Status {
    /// A status of now, with nothing found yet.
    fn of_nothing() -> Self {
        Self {
            at: UnixMillis::now(),
            unreached: Vec::new(),
            of_fleet: true,
            runs: Vec::new(),
            workers: Vec::new(),
            unreadable: 0,
        }
    }

    fn take_in(&mut self, told: Told, wanted: Option<&RunId>) {
        self.unreadable = told.unreadable;
        self.runs = told.of_runs(wanted);
        self.workers = told.workers;
    }

    /// What was found, or a note that it was not.
    fn or_unreached<T>(&mut self, server: Server, found: anyhow::Result<T>) -> Option<T> {
        found.map_err(|error| self.unreached.push(Unreached { server, why: format!("{error:#}") })).ok()
    }

    fn say_what_needs_attention(&mut self) {
        let said: Vec<_> = self.runs.iter().map(|run| attention(self, run)).collect();
        for (run, attention) in self.runs.iter_mut().zip(said) {
            run.attention = attention;
        }
    }
}

async fn told(kept: &mut Option<RedisControl>, address: &StoreAddress, wanted: Option<&RunId>) -> anyhow::Result<Told> {
    let control = match kept {
        Some(control) => control,
        None => kept.insert(address.reach().await?.1),
    };
    Ok(ask(control, wanted).await?)
}

async fn ask(control: &impl Control, wanted: Option<&RunId>) -> Result<Told, ControlError> {
    let (runs, coordinators, workers) = tokio::try_join!(control.runs(), control.coordinators(), control.workers())?;
    let unreadable = runs.unreadable + coordinators.unreadable + workers.unreadable;
    let mut told = Told {
        runs: runs.all,
        coordinators: coordinators.all,
        workers: workers.all,
        scores: Vec::new(),
        unreadable: u32::try_from(unreadable).unwrap_or(u32::MAX),
    };
    for run in told.shown(wanted) {
        told.scores.extend(control.scores(&run).await?);
    }
    Ok(told)
}

async fn reach(kept: &mut Option<RabbitQueue>, address: &BrokerAddress) -> anyhow::Result<RabbitQueue> {
    if let Some(queue) = kept {
        return Ok(queue.clone());
    }
    Ok(kept.insert(address.reach().await?).clone())
}

/// Inspects as many of the runs' queues as the time allows. Fails if the broker does not answer at all.
async fn queues_of(queue: &RabbitQueue, runs: &mut [RunStatus]) -> anyhow::Result<()> {
    if let BrokerState::Reconnecting { reason, .. } = queue.state() {
        anyhow::bail!("reach the broker: {reason}");
    }
    let Some(first) = runs.first() else { return Ok(()) };
    let end = Instant::now() + QUEUES_WITHIN;
    let dead = QueueName { run: first.run.clone(), kind: QueueKind::Dead };
    within("ask the broker how full the queues are", QUEUES_WITHIN, queue.depth(&dead)).await?;
    for run in runs {
        let models = run.about.as_ref().map(|about| about.models.len());
        match timeout_at(end, queues::look(queue, &run.run, models)).await {
            Ok(found) => run.queues = Some(found?),
            // It answers, but not fast enough.
            Err(_) => break,
        }
    }
    Ok(())
}

impl Told {
    fn add(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.coordinators.extend(other.coordinators);
        self.workers.extend(other.workers);
        self.scores.extend(other.scores);
        self.unreadable += other.unreadable;
    }

    /// The wanted run, known or not; otherwise all runs that have started or have a coordinator.
    fn shown(&self, wanted: Option<&RunId>) -> Vec<RunId> {
        if let Some(run) = wanted {
            return vec![run.clone()];
        }
        let begun = self.runs.iter().filter(|(about, _)| about.phase == RunPhase::Begun).map(|(about, _)| &about.run);
        let runs: BTreeSet<&RunId> = begun.chain(self.coordinators.iter().map(|report| &report.run)).collect();
        runs.into_iter().cloned().collect()
    }

    fn of_runs(&self, wanted: Option<&RunId>) -> Vec<RunStatus> {
        self.shown(wanted).iter().map(|run| self.of_run(run)).collect()
    }

    fn of_run(&self, run: &RunId) -> RunStatus {
        let listed = self.runs.iter().find(|(about, _)| about.run == *run);
        RunStatus {
            run: run.clone(),
            about: listed.map(|(about, _)| about.clone()),
            order: listed.and_then(|(_, order)| order.clone()),
            coordinators: self.coordinators.iter().filter(|report| report.run == *run).cloned().collect(),
            scores: self.scores.iter().find(|scores| scores.run == *run).cloned(),
            queues: None::<Vec<FoundQueue>>,
            attention: Vec::new(),
        }
    }
}
