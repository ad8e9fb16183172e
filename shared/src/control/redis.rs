//! Orders and signs of life on a Redis or Valkey server.
//!
//! Nothing here waits for long: an operator's command says within seconds what it could not reach, and a report that
//! comes too late is of no use.

use std::time::Duration;

use redis::{Pipeline, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use super::{
    AboutRun, CONTROL_VERSION, CoordinatorReport, Found, ORDER_EVERY, Order, REPORT_EXPIRY, UnixMillis, WorkerReport,
};
use crate::id::RunId;
use crate::link::key::{self, EXPIRY, EXPIRY_SECONDS};
use crate::link::{Address, Link, LinkError};

/// How long the server may take for what is asked here: clearly shorter than an operator's command waits, so that the
/// command can say which server did not answer, and why.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long is waited for the server to drop what is out of date, which somebody else can do as well.
const TIDY_WITHIN: Duration = Duration::from_millis(200);

const ORDER: &str = "order";
const ABOUT: &str = "about";
const RUNS: &str = "runs";
const WORKERS: &str = "workers";
const COORDINATORS: &str = "coordinators";

/// What operators and processes tell each other, on a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisControl {
    link: Link,
}

/// An order that is looked for every [`ORDER_EVERY`] for as long as this lives.
#[derive(Debug)]
pub struct Following {
    /// The last order that was seen; it stays while the server is away.
    pub order: watch::Receiver<Option<Order>>,
    _task: AbortOnDropHandle<()>,
}

impl RedisControl {
    /// Connects to a server; one try, as an operator waits for the answer.
    pub async fn connect(address: &Address) -> Result<Self, LinkError> {
        Ok(Self::new(Link::connect(address, Duration::ZERO).await?))
    }

    /// Behind a connection that may have other uses too.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// Says what is to be done with a run.
    pub async fn give_order(&self, run: &RunId, order: &Order) -> Result<(), LinkError> {
        let mut commands = Pipeline::new();
        commands.cmd("SET").arg(key::of_run(run, ORDER)).arg(json(order)).arg("EX").arg(EXPIRY_SECONDS);
        self.write(commands).await.map(|_| ())
    }

    /// The order for a run, if there is one. It does not expire while anybody looks for it.
    pub async fn order(&self, run: &RunId) -> Result<Option<Order>, LinkError> {
        let mut commands = Pipeline::new();
        commands.cmd("GETEX").arg(key::of_run(run, ORDER)).arg("EX").arg(EXPIRY_SECONDS);
        match self.write(commands).await?.first() {
            None | Some(Value::Nil) => Ok(None),
            Some(order) => parse(order).map(Some).ok_or_else(|| LinkError::Refused {
                address: self.link.address().to_string(),
                reason: format!("another release gave the order for run {run}; use that release, or give it again"),
            }),
        }
    }

    /// Looks for the order for a run again and again. The first look has been made when this returns.
    pub async fn follow(&self, run: &RunId) -> Following {
        let (seen, order) = watch::channel(self.order(run).await.ok().flatten());
        let (control, run) = (self.clone(), run.clone());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(ORDER_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // While the server is away, what it last said stands.
                if let Ok(order) = control.order(&run).await {
                    seen.send_if_modified(|known| replace_if_other(known, order));
                }
            }
        });
        Following { order, _task: AbortOnDropHandle::new(task) }
    }

    /// Enters a run into the list of runs, or says anew how far it has come.
    pub async fn announce(&self, about: &AboutRun) -> Result<(), LinkError> {
        let mut commands = Pipeline::new();
        tell_of(&mut commands, about);
        self.write(commands).await.map(|_| ())
    }

    /// The same where `order` was the last that was given: it is given again, before anybody can hear of the run, if the
    /// server has none any more. Returns whether it was.
    pub async fn announce_under(&self, order: &Order, about: &AboutRun) -> Result<bool, LinkError> {
        let mut commands = Pipeline::new();
        let order_key = key::of_run(&about.run, ORDER);
        commands.cmd("SET").arg(order_key).arg(json(order)).arg("NX").arg("EX").arg(EXPIRY_SECONDS);
        tell_of(&mut commands, about);
        Ok(matches!(self.write(commands).await?.first(), Some(Value::Okay)))
    }

    /// What was last said of a run.
    pub async fn about(&self, run: &RunId) -> Result<Option<AboutRun>, LinkError> {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(key::of_run(run, ABOUT));
        Ok(self.read(commands).await?.first().and_then(parse))
    }

    /// All runs that were begun or told of in the last 30 days, with the orders for them.
    pub async fn runs(&self) -> Result<Found<(AboutRun, Option<Order>)>, LinkError> {
        let runs: Vec<RunId> = self.listed(RUNS).await?.into_iter().map(RunId).collect();
        let mut commands = Pipeline::new();
        for run in &runs {
            commands.cmd("GET").arg(key::of_run(run, ABOUT));
            commands.cmd("GET").arg(key::of_run(run, ORDER));
        }
        let mut found = Found { all: Vec::new(), unreadable: 0 };
        for answers in self.read(commands).await?.chunks_exact(2) {
            match (&answers[0], parse(&answers[0])) {
                (_, Some(about)) => found.all.push((about, parse(&answers[1]))),
                (Value::Nil, None) => {}
                (_, None) => found.unreadable += 1,
            }
        }
        Ok(found)
    }

    /// Takes a run out of the list; the run's own keys go with [`crate::store::RedisStore::purge`].
    pub async fn strike_out(&self, run: &RunId) -> Result<(), LinkError> {
        self.leave(RUNS, &run.0).await
    }

    /// Says that a worker is alive.
    pub async fn report_worker(&self, report: &WorkerReport) -> Result<(), LinkError> {
        self.report(WORKERS, &report.process.id, json(report)).await
    }

    /// Says that a coordinator is alive.
    pub async fn report_coordinator(&self, report: &CoordinatorReport) -> Result<(), LinkError> {
        self.report(COORDINATORS, &report.process.id, json(report)).await
    }

    /// Says that a worker has ended, so that nobody has to wait until its report expires.
    pub async fn worker_ended(&self, id: &str) -> Result<(), LinkError> {
        self.leave(WORKERS, id).await
    }

    /// Says that a coordinator has ended.
    pub async fn coordinator_ended(&self, id: &str) -> Result<(), LinkError> {
        self.leave(COORDINATORS, id).await
    }

    /// The workers that are alive.
    pub async fn workers(&self) -> Result<Found<WorkerReport>, LinkError> {
        self.reports(WORKERS).await
    }

    /// The coordinators that are alive.
    pub async fn coordinators(&self) -> Result<Found<CoordinatorReport>, LinkError> {
        self.reports(COORDINATORS).await
    }

    async fn report(&self, list: &str, id: &str, report: Vec<u8>) -> Result<(), LinkError> {
        let mut commands = Pipeline::new();
        let expiry = REPORT_EXPIRY.as_secs();
        commands.cmd("SET").arg(key::of_fleet_member(list, id)).arg(report).arg("EX").arg(expiry);
        enlist(&mut commands, list, id);
        self.write(commands).await.map(|_| ())
    }

    async fn leave(&self, list: &str, member: &str) -> Result<(), LinkError> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(key::of_fleet_member(list, member));
        commands.cmd("ZREM").arg(key::of_fleet(list)).arg(member);
        self.write(commands).await.map(|_| ())
    }

    async fn reports<T: DeserializeOwned>(&self, list: &str) -> Result<Found<T>, LinkError> {
        let members = self.listed(list).await?;
        let mut commands = Pipeline::new();
        for member in &members {
            commands.cmd("GET").arg(key::of_fleet_member(list, member));
        }
        let mut found = Found { all: Vec::new(), unreadable: 0 };
        let mut silent = Pipeline::new();
        for (member, answer) in members.iter().zip(self.read(commands).await?) {
            match (&answer, parse(&answer)) {
                (_, Some(report)) => found.all.push(report),
                (Value::Nil, None) => _ = silent.cmd("ZREM").arg(key::of_fleet(list)).arg(member),
                (_, None) => found.unreadable += 1,
            }
        }
        self.tidy(silent).await;
        Ok(found)
    }

    /// Drops silent members from their list, where that can be done: a server that takes no writes answers reads all the same.
    /// One that was only late enters itself again with its next report.
    async fn tidy(&self, silent: Pipeline) {
        if silent.is_empty() {
            return;
        }
        if let Err(error) = self.link.within(TIDY_WITHIN, self.link.write(silent)).await {
            tracing::debug!(%error, "silent members stay in their list");
        }
    }

    /// The members of a list, the one last heard of first.
    async fn listed(&self, list: &str) -> Result<Vec<String>, LinkError> {
        let mut commands = Pipeline::new();
        commands.cmd("ZREVRANGE").arg(key::of_fleet(list)).arg(0).arg(-1);
        let members = self.read(commands).await?.swap_remove(0);
        Ok(redis::from_redis_value(members).unwrap_or_default())
    }

    async fn read(&self, commands: Pipeline) -> Result<Vec<Value>, LinkError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.link.within(PATIENCE, self.link.read(commands)).await
    }

    async fn write(&self, commands: Pipeline) -> Result<Vec<Value>, LinkError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.link.within(PATIENCE, self.link.write(commands)).await?.values)
    }
}

/// Says how far a run has come.
fn tell_of(commands: &mut Pipeline, about: &AboutRun) {
    let about_key = key::of_run(&about.run, ABOUT);
    commands.cmd("SET").arg(about_key).arg(json(about)).arg("EX").arg(EXPIRY_SECONDS);
    enlist(commands, RUNS, &about.run.0);
}

/// Enters a member into a list, and drops those that were not heard of for so long that nothing of them is left.
fn enlist(commands: &mut Pipeline, list: &str, member: &str) {
    let list = key::of_fleet(list);
    let UnixMillis(now) = UnixMillis::now();
    let oldest = now.saturating_sub(u64::try_from(EXPIRY.as_millis()).unwrap_or(u64::MAX));
    commands.cmd("ZADD").arg(&list).arg(now).arg(member);
    commands.cmd("ZREMRANGEBYSCORE").arg(&list).arg("-inf").arg(oldest);
    commands.cmd("EXPIRE").arg(&list).arg(EXPIRY_SECONDS);
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is told can be written as JSON")
}

/// Reads what was told; none where it is of a newer version or no such thing.
fn parse<T: DeserializeOwned>(answer: &Value) -> Option<T> {
    #[derive(Deserialize)]
    struct Head {
        version: u16,
    }
    let Value::BulkString(json) = answer else { return None };
    let head: Head = serde_json::from_slice(json).ok()?;
    if head.version != CONTROL_VERSION {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn replace_if_other(known: &mut Option<Order>, order: Option<Order>) -> bool {
    let is_other = *known != order;
    if is_other {
        *known = order;
    }
    is_other
}
