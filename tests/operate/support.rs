//! A test's own servers, the operator's commands on them, and messages as a fleet leaves them there.

#[path = "../command/support/browser.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod browser;
#[path = "../../shared/tests/control/message.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod control_message;
#[path = "../command/support/process.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod process;
#[path = "../command/support/sandbox.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod sandbox;

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use valuesim_shared::control::{AboutRun, CellCounts, RedisControl, RunPhase, UnixMillis, WorkerReport};
use valuesim_shared::id::{Cell, Fold, ModelId, Respondent, RunId};
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_shared::task::{PackedCodes, RetrievedItems, TASK_VERSION, Task, TaskKind};
use valuesim_test_servers::{Database, Vhost, eventually, shared_broker, shared_redis};

pub(crate) use browser::Browser;
pub(crate) use process::Running;
pub(crate) use sandbox::{CommandOutput, Sandbox};

/// A limit for hangs: far longer than anything here takes, even on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(2);

/// An operator, who runs the command on a fleet's servers.
pub(crate) struct Operator {
    pub(crate) sandbox: Sandbox,
    pub(crate) broker: String,
    pub(crate) store: String,
    _servers: Option<(Vhost, Database)>,
}

impl Operator {
    /// An operator of a virtual host and a database on the shared servers.
    pub(crate) async fn new() -> Self {
        let (broker, store) = tokio::join!(shared_broker(), shared_redis());
        let (broker_url, store_url) = (broker.url.clone(), store.url.clone());
        Self { sandbox: Sandbox::new(), broker: broker_url, store: store_url, _servers: Some((broker, store)) }
    }

    /// An operator of servers that the test manages.
    pub(crate) fn at(broker: String, store: String) -> Self {
        Self { sandbox: Sandbox::new(), broker, store, _servers: None }
    }

    /// Starts the command with one more variable.
    pub(crate) fn start_with(&self, (name, value): (&str, &str), arguments: &[&str]) -> Running {
        let mut command = self.sandbox.command(arguments);
        command.env("VALUESIM_BROKER", &self.broker).env("VALUESIM_STORE", &self.store).env(name, value);
        Running::new(&mut command)
    }

    /// Starts the command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.sandbox.command(arguments);
        command.env("VALUESIM_BROKER", &self.broker).env("VALUESIM_STORE", &self.store).env("USER", "ada");
        Running::new(&mut command)
    }

    /// Runs the command until it ends.
    pub(crate) fn run(&self, arguments: &[&str]) -> CommandOutput {
        self.start(arguments).wait()
    }

    /// Runs the command with `--json`, and returns what its lines hold.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.run(&[arguments, &["--json"]].concat()).expect_success().events()
    }

    pub(crate) async fn queue(&self) -> RabbitQueue {
        let settings = RabbitSettings::new(SecretString::from(self.broker.clone()), "valuesim test");
        RabbitQueue::connect(settings).await.unwrap()
    }

    pub(crate) async fn control(&self) -> RedisControl {
        RedisControl::connect(&self.store.parse().unwrap()).await.unwrap()
    }
}

/// Waits until a condition is met.
pub(crate) async fn until(what: &str, is_met: impl AsyncFn() -> bool) {
    let poll = async || is_met().await.then_some(());
    eventually(what, TIMEOUT, poll).await.unwrap_or_else(|error| panic!("{error}"));
}

/// Waits until this many messages are in a queue.
pub(crate) async fn until_waiting(queue: &RabbitQueue, name: &QueueName, messages: u32) {
    let counted = async || queue.depth(name).await.unwrap().map_or(0, |depth| depth.messages) == messages;
    until(&format!("{messages} messages in {name}"), counted).await;
}

pub(crate) fn run_id() -> RunId {
    RunId("r1".to_owned())
}

pub(crate) fn name(kind: QueueKind) -> QueueName {
    QueueName { run: run_id(), kind }
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
        kept: None,
        history: history.iter().map(|&failure| failure.to_owned()).collect(),
    }
}

pub(crate) fn about() -> AboutRun {
    let cells = CellCounts { planned: 60, finished: 12, under_way: 3, dead: 0, at_most: None };
    let now = UnixMillis::now();
    AboutRun { cells, begun_at: now, at: now, ..control_message::about("r1", RunPhase::Begun) }
}

pub(crate) fn worker() -> WorkerReport {
    let trouble = (UnixMillis::now(), "the provider\u{1b}[2J is away".to_owned());
    WorkerReport { runs: vec![run_id()], last_trouble: Some(trouble), ..control_message::worker("worker-of-the-test") }
}
