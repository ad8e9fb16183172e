//! Looks at store and broker side by side, each as far as it can be reached.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use valuesim_shared::control::{
    AboutRun, Control as _, ControlError, CoordinatorReport, Order, RedisControl, RunPhase, UnixMillis, WorkerReport,
};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::{BrokerState, Lane, QueueName, RabbitQueue};

use super::attention::attention;
use super::found::{QUEUES_WITHIN, RunStatus, Server, Status, Unreached};
use crate::commands::queues::{self, FoundQueue};
use crate::servers::{Addresses, BrokerAddress, StoreAddress, hang_up, within};

/// How long the store may take to answer in all. Each question to it has a shorter limit, which says what came in the way.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// Looks at the servers, and keeps its connections for the next look.
pub(super) struct Look {
    addresses: Addresses,
    wanted: Option<RunId>,
    control: Option<RedisControl>,
    queue: Option<RabbitQueue>,
}

/// What the store says.
#[derive(Debug, Default)]
struct Told {
    runs: Vec<(AboutRun, Option<Order>)>,
    coordinators: Vec<CoordinatorReport>,
    workers: Vec<WorkerReport>,
    unreadable: u32,
}

impl Look {
    /// At the `wanted` run, or at all.
    pub(super) fn new(addresses: Addresses, wanted: Option<RunId>) -> Self {
        Self { addresses, wanted, control: None, queue: None }
    }

    /// Looks once; about five seconds where nothing answers.
    pub(super) async fn look(&mut self) -> Status {
        let Self { addresses, wanted, control, queue } = self;
        let telling = within("ask the store", STORE_WITHIN, told(control, &addresses.store));
        let (told, reached) = tokio::join!(telling, reach(queue, &addresses.broker));
        let mut status = Status {
            at: UnixMillis::now(),
            unreached: Vec::new(),
            runs: Vec::new(),
            workers: Vec::new(),
            unreadable: 0,
        };
        let told = status.or_unreached(Server::Store, told).unwrap_or_default();
        let queue = status.or_unreached(Server::Broker, reached);
        status.unreadable = told.unreadable;
        status.runs = told.of_runs(wanted.as_ref());
        status.workers = told.workers;
        if let Some(queue) = queue {
            let looked = queues_of(&queue, &mut status.runs).await;
            status.or_unreached(Server::Broker, looked);
        }
        status.say_what_needs_attention();
        status
    }

    /// Hangs up.
    pub(super) async fn close(&self) {
        if let Some(queue) = &self.queue {
            hang_up(queue).await;
        }
    }
}

impl Status {
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

async fn told(kept: &mut Option<RedisControl>, address: &StoreAddress) -> anyhow::Result<Told> {
    let control = match kept {
        Some(control) => control,
        None => kept.insert(address.reach().await?.1),
    };
    Ok(ask(control).await?)
}

async fn ask(control: &RedisControl) -> Result<Told, ControlError> {
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

/// Looks at the queues of the runs, as many as can be looked at in time. An error where the broker does not answer at all.
async fn queues_of(queue: &RabbitQueue, runs: &mut [RunStatus]) -> anyhow::Result<()> {
    if let BrokerState::Reconnecting { reason, .. } = queue.state() {
        anyhow::bail!("reach the broker: {reason}");
    }
    let Some(first) = runs.first() else { return Ok(()) };
    let end = Instant::now() + QUEUES_WITHIN;
    let dead = QueueName { run: first.run.clone(), lane: Lane::Dead };
    within("ask the broker how full the queues are", QUEUES_WITHIN, queue.depth(&dead)).await?;
    for run in runs {
        let models = run.about.as_ref().map(|about| about.models.len());
        match timeout_at(end, queues::look(queue, &run.run, models)).await {
            Ok(found) => run.queues = Some(found?),
            // It answers, only not fast enough.
            Err(_) => break,
        }
    }
    Ok(())
}

impl Told {
    /// The run that is wanted, known or not; otherwise those that have begun and those that somebody coordinates.
    fn of_runs(&self, wanted: Option<&RunId>) -> Vec<RunStatus> {
        if let Some(run) = wanted {
            return vec![self.of_run(run)];
        }
        let begun = self.runs.iter().filter(|(about, _)| about.phase == RunPhase::Begun).map(|(about, _)| &about.run);
        let runs: BTreeSet<&RunId> = begun.chain(self.coordinators.iter().map(|report| &report.run)).collect();
        runs.into_iter().map(|run| self.of_run(run)).collect()
    }

    fn of_run(&self, run: &RunId) -> RunStatus {
        let listed = self.runs.iter().find(|(about, _)| about.run == *run);
        RunStatus {
            run: run.clone(),
            about: listed.map(|(about, _)| about.clone()),
            order: listed.and_then(|(_, order)| order.clone()),
            coordinators: self.coordinators.iter().filter(|report| report.run == *run).cloned().collect(),
            queues: None::<Vec<FoundQueue>>,
            attention: Vec::new(),
        }
    }
}
