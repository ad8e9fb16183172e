//! Servers of a test's own, the command on them, and what a fleet would have left there.

#[path = "../command/support/place.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod place;
#[path = "../command/support/process.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod process;

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use valuesim_shared::control::{
    AboutRun, CONTROL_VERSION, CellCounts, Process, RedisControl, RunPhase, UnixMillis, WorkerReport,
};
use valuesim_shared::id::{Cell, Fold, ModelId, Respondent, RunId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_shared::task::{PackedCodes, RetrievedItems, TASK_VERSION, Task, TaskKind};
use valuesim_test_servers::{Database, Vhost, eventually, shared_broker, shared_redis};

pub(crate) use place::{Ended, Place};
pub(crate) use process::Running;

/// A ceiling for what hangs: longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The command, and the servers that it is told of.
pub(crate) struct Desk {
    pub(crate) place: Place,
    pub(crate) broker: String,
    pub(crate) store: String,
    _servers: Option<(Vhost, Database)>,
}

impl Desk {
    /// On parts of the shared servers.
    pub(crate) async fn new() -> Self {
        let (broker, store) = tokio::join!(shared_broker(), shared_redis());
        let (broker_url, store_url) = (broker.url.clone(), store.url.clone());
        Self { place: Place::new(), broker: broker_url, store: store_url, _servers: Some((broker, store)) }
    }

    /// On servers that the test looks after.
    pub(crate) fn at(broker: String, store: String) -> Self {
        Self { place: Place::new(), broker, store, _servers: None }
    }

    /// Starts the command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.place.command(arguments);
        command.env("VALUESIM_BROKER", &self.broker).env("VALUESIM_STORE", &self.store).env("USER", "ada");
        Running::new(&mut command)
    }

    /// Runs the command until it ends.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// What the command says as JSON, a line each.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.run(&[arguments, &["--json"]].concat()).well().events()
    }

    pub(crate) async fn queue(&self) -> RabbitQueue {
        let settings = RabbitSettings::new(SecretString::from(self.broker.clone()), "valuesim test");
        RabbitQueue::connect(settings).await.unwrap()
    }

    pub(crate) async fn control(&self) -> RedisControl {
        RedisControl::connect(&self.store.parse().unwrap()).await.unwrap()
    }
}

/// Looks again and again until `look` finds it so.
pub(crate) async fn until(what: &str, look: impl AsyncFn() -> bool) {
    let look = async || look().await.then_some(());
    eventually(what, PATIENCE, look).await.unwrap_or_else(|error| panic!("{error}"));
}

/// Waits until so many messages wait in a queue.
pub(crate) async fn until_waiting(queue: &RabbitQueue, name: &QueueName, messages: u32) {
    let counted = async || queue.depth(name).await.unwrap().map_or(0, |depth| depth.messages) == messages;
    until(&format!("{messages} messages in {name}"), counted).await;
}

pub(crate) fn run_id() -> RunId {
    RunId("r1".to_owned())
}

pub(crate) fn name(lane: QueueKind) -> QueueName {
    QueueName { run: run_id(), kind: lane }
}

pub(crate) const STORY: QueueKind = QueueKind::Story(ModelId(0));

/// The task of a respondent's first cell.
pub(crate) fn task(respondent: u32, history: &[&str]) -> Task {
    let (respondent, fold) = (Respondent::new(respondent).unwrap(), Fold::new(1).unwrap());
    Task {
        version: TASK_VERSION,
        kind: TaskKind::Story,
        run: run_id(),
        cell: Cell { model: ModelId(0), respondent, fold },
        profile: PackedCodes(Vec::new()),
        draws: Vec::new(),
        retrieved: RetrievedItems::default(),
        history: history.iter().map(|&failure| failure.to_owned()).collect(),
    }
}

pub(crate) fn about() -> AboutRun {
    AboutRun {
        version: CONTROL_VERSION,
        run: run_id(),
        models: vec!["m".to_owned()],
        phase: RunPhase::Begun,
        cells: CellCounts { planned: 60, finished: 12, under_way: 3, dead: 0 },
        spent: NanoUsd(0),
        priced: true,
        stopped_by: None,
        begun_at: UnixMillis::now(),
        at: UnixMillis::now(),
    }
}

pub(crate) fn worker() -> WorkerReport {
    let (id, host, release) = ("worker-of-the-test".to_owned(), "h1".to_owned(), "0.0.9".to_owned());
    WorkerReport {
        version: CONTROL_VERSION,
        process: Process { id, host, pid: 72, release, started_at: UnixMillis::now() },
        runs: vec![run_id()],
        draining: false,
        tasks: 2,
        calls_in_flight: 3,
        capacity: 64,
        calls_per_second: 1.5,
        last_trouble: Some((UnixMillis::now(), "the provider\u{1b}[2J is away".to_owned())),
        http: None,
        troubles: Vec::new(),
        at: UnixMillis::now(),
    }
}
