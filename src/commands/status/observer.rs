//! Inspects store and broker concurrently, each as far as it can be reached.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use valuesim_shared::control::{
    AboutRun, Control, ControlError, CoordinatorReport, FolderControl, Order, RedisControl, RunPhase, UnixMillis,
    WorkerReport,
};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::{BrokerState, QueueKind, QueueName, RabbitQueue};

use super::attention::attention;
use super::bottleneck::bottleneck;
use super::calls::calls;
use super::found::{QUEUES_WITHIN, RunStatus, STATUS_VERSION, Server, Status, Unreached};
use super::outlook::{money, outlook};
use super::run_control::RunControl;
use super::waiting::waiting;
use crate::commands::queues;
use crate::servers::{Addresses, BrokerAddress, StoreAddress, hang_up, within};

/// The most runs of the list that are inspected: those with the latest reports.
const MAX_RUNS: usize = 100;

/// How long the store may take in all. Each request to it has a shorter limit, whose error says what went wrong.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// Inspects runs, and keeps its connections for the next inspection.
pub(crate) struct Observer {
    source: Source,
    wanted: Wanted,
}

/// Which runs are inspected.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// All that have started and not ended, or have a coordinator.
    Active,
    /// All in the list of runs.
    All,
    /// This one, known or not.
    This(RunId),
}

/// Where orders and reports are.
enum Source {
    Servers(Box<Servers>),
    /// In run folders, which may come and go.
    Folders(Box<dyn Fn() -> Vec<FolderControl> + Send + Sync>),
}

/// The servers of a fleet, and the connections to them.
struct Servers {
    addresses: Addresses,
    control: Option<RedisControl>,
    queue: Option<RabbitQueue>,
}

/// What a store reports.
#[derive(Debug)]
struct Told {
    runs: Vec<(AboutRun, Option<Order>)>,
    coordinators: Vec<CoordinatorReport>,
    workers: Vec<WorkerReport>,
    unreadable: u32,
}

impl Observer {
    /// Inspects runs of a fleet.
    pub(crate) fn at_servers(addresses: Addresses, wanted: Wanted) -> Self {
        Self { source: Source::Servers(Box::new(Servers { addresses, control: None, queue: None })), wanted }
    }

    /// Inspects runs without servers.
    pub(crate) fn at_folders(
        controls: impl Fn() -> Vec<FolderControl> + Send + Sync + 'static,
        wanted: Wanted,
    ) -> Self {
        Self { source: Source::Folders(Box::new(controls)), wanted }
    }

    /// Inspects once; takes about five seconds if nothing answers.
    pub(crate) async fn look(&mut self) -> Status {
        let mut status = match &mut self.source {
            Source::Servers(servers) => Box::pin(servers.look(&self.wanted)).await,
            Source::Folders(controls) => look_at_folders(&controls(), &self.wanted).await,
        };
        status.conclude();
        status
    }

    /// Where orders for `run` go; `None` if no run of that name is known.
    pub(crate) async fn control_of(&mut self, run: &RunId) -> anyhow::Result<Option<RunControl>> {
        match &mut self.source {
            Source::Servers(servers) => {
                let control = within("reach the store", STORE_WITHIN, servers.control()).await?.clone();
                let is_known = control.about(run).await?.is_some();
                Ok(is_known.then_some(RunControl::Store(control)))
            }
            Source::Folders(controls) => {
                for control in controls() {
                    if control.about(run).await?.is_some() {
                        return Ok(Some(RunControl::Folder(control)));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The broker of the fleet; `None` if the runs have none.
    pub(crate) async fn broker(&mut self) -> anyhow::Result<Option<RabbitQueue>> {
        match &mut self.source {
            Source::Servers(servers) => Ok(Some(reach(&mut servers.queue, &servers.addresses.broker).await?)),
            Source::Folders(_) => Ok(None),
        }
    }

    /// Disconnects.
    pub(crate) async fn close(&self) {
        if let Source::Servers(servers) = &self.source
            && let Some(queue) = &servers.queue
        {
            hang_up(queue).await;
        }
    }
}

impl Servers {
    async fn look(&mut self, wanted: &Wanted) -> Status {
        let Self { addresses, control, queue } = self;
        let telling = within("ask the store", STORE_WITHIN, async {
            let control = reach_store(control, &addresses.store).await?;
            Ok::<_, anyhow::Error>((look_at(control, wanted).await?, control.cannot_be_reported_to().await?))
        });
        let (told, reached) = tokio::join!(telling, reach(queue, &addresses.broker));
        let mut status = Status::of_nothing();
        match status.or_unreached(Server::Store, told) {
            Some((found, deaf)) => {
                status.add(found);
                status.unreached.extend(deaf.map(|why| Unreached { server: Server::Store, why }));
            }
            None => status.runs.extend(wanted.run().map(RunStatus::unknown)),
        }
        let queue = status.or_unreached(Server::Broker, reached);
        if let Some(queue) = queue {
            let looked = queues_of(&queue, &mut status.runs).await;
            status.or_unreached(Server::Broker, looked);
        }
        status
    }

    async fn control(&mut self) -> anyhow::Result<&RedisControl> {
        reach_store(&mut self.control, &self.addresses.store).await
    }
}

async fn look_at_folders(controls: &[FolderControl], wanted: &Wanted) -> Status {
    let mut status = Status { of_fleet: false, ..Status::of_nothing() };
    for control in controls {
        let found = look_at(control, wanted).await.map_err(Into::into);
        if let Some(found) = status.or_unreached(Server::Store, found) {
            status.add(found);
        }
    }
    // Their queues are in the memory of the run's process.
    status.runs.iter_mut().for_each(|run| run.queues = Some(Vec::new()));
    status
}

impl Status {
    /// A status of now, with nothing found yet.
    fn of_nothing() -> Self {
        Self {
            version: STATUS_VERSION,
            at: UnixMillis::now(),
            unreached: Vec::new(),
            of_fleet: true,
            runs: Vec::new(),
            workers: Vec::new(),
            unreadable: 0,
        }
    }

    fn add(&mut self, Found { runs, workers, unreadable }: Found) {
        self.runs.extend(runs);
        self.workers.extend(workers);
        self.unreadable += unreadable;
    }

    /// What was found, or a note that it was not.
    fn or_unreached<T>(&mut self, server: Server, found: anyhow::Result<T>) -> Option<T> {
        found.map_err(|error| self.unreached.push(Unreached { server, why: format!("{error:#}") })).ok()
    }

    /// Draws the conclusions from what was found.
    pub(super) fn conclude(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        self.runs = runs.into_iter().map(|run| self.concluded(run)).collect();
    }

    fn concluded(&self, mut run: RunStatus) -> RunStatus {
        let workers = self.workers_of(&run.run);
        run.calls = calls(&mut run, &self.workers);
        let failures = std::mem::take(&mut run.calls.failures);
        RunStatus {
            outlook: outlook(&run, &workers, self.at),
            money: money(&run),
            failures,
            waiting: waiting(&run, &workers, &self.workers, self.at.0),
            bottleneck: bottleneck(self, &run, &workers),
            attention: attention(self, &run),
            ..run
        }
    }
}

/// Runs and workers, as a store reports them.
struct Found {
    runs: Vec<RunStatus>,
    workers: Vec<WorkerReport>,
    unreadable: u32,
}

async fn reach_store<'a>(
    kept: &'a mut Option<RedisControl>,
    address: &StoreAddress,
) -> anyhow::Result<&'a RedisControl> {
    Ok(match kept {
        Some(control) => control,
        None => kept.insert(address.reach().await?.1),
    })
}

/// The wanted runs, with what was changed about them.
async fn look_at(control: &impl Control, wanted: &Wanted) -> Result<Found, ControlError> {
    let told = ask(control).await?;
    let mut runs = told.of_runs(wanted);
    for run in &mut runs {
        (run.changes, run.scores) = tokio::try_join!(control.changes(&run.run), control.scores(&run.run))?;
    }
    Ok(Found { runs, workers: told.workers, unreadable: told.unreadable })
}

async fn ask(control: &impl Control) -> Result<Told, ControlError> {
    let (runs, coordinators, workers) = tokio::try_join!(control.runs(), control.coordinators(), control.workers())?;
    let unreadable = runs.unreadable + coordinators.unreadable + workers.unreadable;
    Ok(Told {
        runs: runs.all,
        coordinators: coordinators.all,
        workers: workers.all,
        unreadable: u32::try_from(unreadable).unwrap_or(u32::MAX),
    })
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
        if run.has_no_queues() {
            run.queues = Some(Vec::new());
            continue;
        }
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
    fn of_runs(&self, wanted: &Wanted) -> Vec<RunStatus> {
        if let Wanted::This(run) = wanted {
            return vec![self.of_run(run)];
        }
        let is_active = |about: &AboutRun| about.phase == RunPhase::Begun || about.stopped_by.is_some();
        let is_shown = |about: &AboutRun| matches!(wanted, Wanted::All) || is_active(about);
        let listed = self.runs.iter().filter(|(about, _)| is_shown(about)).map(|(about, _)| &about.run);
        let listed = listed.take(MAX_RUNS);
        let runs: BTreeSet<&RunId> = listed.chain(self.coordinators.iter().map(|report| &report.run)).collect();
        runs.into_iter().map(|run| self.of_run(run)).collect()
    }

    fn of_run(&self, run: &RunId) -> RunStatus {
        let listed = self.runs.iter().find(|(about, _)| about.run == *run);
        RunStatus {
            about: listed.map(|(about, _)| about.clone()),
            order: listed.and_then(|(_, order)| order.clone()),
            coordinators: self.coordinators.iter().filter(|report| report.run == *run).cloned().collect(),
            ..RunStatus::unknown(run)
        }
    }
}

impl Wanted {
    /// The run that is wanted alone.
    const fn run(&self) -> Option<&RunId> {
        match self {
            Self::Active | Self::All => None,
            Self::This(run) => Some(run),
        }
    }
}
