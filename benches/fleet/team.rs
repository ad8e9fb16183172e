//! A coordinator and its workers, started as a user starts them, and what they used.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Depth, Lane, QueueName, RabbitQueue};
use valuesim_test_servers::eventually;

use crate::cpu::cpu_seconds;
use crate::process::{Answered, Background, Provider, valuesim};
use crate::servers::{Addresses, Servers};

/// Longer than anything takes that is waited for, on a busy machine too.
const PATIENCE: Duration = Duration::from_mins(10);

/// Where the processes of one run meet. They are the caller's.
pub(crate) struct Team<'a> {
    provider: &'a Provider,
    servers: &'a Servers,
    pub(crate) addresses: Addresses,
    folder: TempDir,
}

/// What everybody has used so far, at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    at: Instant,
    answered: Answered,
    /// CPU seconds.
    worker: f64,
    broker: f64,
    store: f64,
    coordinator: f64,
}

/// What calls took in the mean between two looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) calls: f64,
    pub(crate) calls_per_second: f64,
    pub(crate) prompt_bytes: usize,
    /// CPU seconds for a call.
    pub(crate) worker: f64,
    pub(crate) broker: f64,
    pub(crate) store: f64,
    pub(crate) coordinator: f64,
}

impl Taken {
    /// CPU seconds for a call of all who do the work.
    pub(crate) fn without_coordinator(&self) -> f64 {
        self.worker + self.broker + self.store
    }

    pub(crate) fn all(&self) -> f64 {
        self.without_coordinator() + self.coordinator
    }
}

impl<'a> Team<'a> {
    /// A team whose queues and store are empty.
    pub(crate) async fn new(servers: &'a Servers, provider: &'a Provider) -> anyhow::Result<Self> {
        Ok(Self { provider, servers, addresses: servers.fresh().await?, folder: tempfile::tempdir()? })
    }

    /// Starts a coordinator with limits that count and never bind: so many requests a minute no provider takes.
    pub(crate) fn coordinator(&self, flags: &[&str]) -> anyhow::Result<Background> {
        self.coordinator_at(&self.provider.base_url, flags)
    }

    /// The same where workers find the provider elsewhere.
    pub(crate) fn coordinator_at(&self, base_url: &str, flags: &[&str]) -> anyhow::Result<Background> {
        let mut command = valuesim(&["coordinate", "--model", "m", "--base-url", base_url]);
        command.args(["--requests-per-minute", "100000000"]).arg("--runs").arg(self.folder.path().join("runs"));
        command.args(flags);
        self.start(command, "coordinator")
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, in_flight: usize) -> anyhow::Result<Background> {
        let mut command = valuesim(&["work", "--calls-in-flight", &in_flight.to_string()]);
        command.args(["--grace", "5"]);
        self.start(command, "worker")
    }

    /// What is said goes into a file, the last of each kind for whoever looks for a fault.
    fn start(&self, mut command: Command, name: &str) -> anyhow::Result<Background> {
        let log = File::create(self.folder.path().join(format!("{name}.log")))?;
        command.env("VALUESIM_BROKER", &self.addresses.broker).env("VALUESIM_STORE", &self.addresses.store);
        command.stdout(Stdio::null()).stderr(log);
        Ok(Background(command.spawn().with_context(|| format!("start the {name}"))?))
    }

    /// The run's name, once the coordinator has begun it.
    pub(crate) async fn run(&self) -> anyhow::Result<RunId> {
        let runs = self.folder.path().join("runs");
        let begun = async || {
            let mut folders = std::fs::read_dir(&runs).ok()?.filter_map(Result::ok);
            let folder = folders.find(|folder| folder.path().join("ledger.redb").is_file())?;
            folder.file_name().into_string().ok()
        };
        Ok(RunId(self.wait("a run folder", begun).await?))
    }

    /// When the run's ledger was written last.
    pub(crate) fn ledger_written(&self, run: &RunId) -> anyhow::Result<std::time::SystemTime> {
        let ledger = self.folder.path().join("runs").join(&run.0).join("ledger.redb");
        Ok(std::fs::metadata(ledger)?.modified()?)
    }

    /// Waits until the provider has answered so many calls more than at `before`.
    pub(crate) async fn answered(&self, before: Answered, calls: f64) -> anyhow::Result<()> {
        let enough = async || (self.provider.answered().ok()?.calls >= before.calls + calls).then_some(());
        self.wait("answered calls", enough).await
    }

    /// Waits until so many messages wait in a queue.
    pub(crate) async fn filled(&self, queue: &RabbitQueue, name: &QueueName, messages: u32) -> anyhow::Result<()> {
        let filled = async || (depth(queue, name).await.ok()?.messages >= messages).then_some(());
        self.wait("a full queue", filled).await
    }

    /// Waits for something; says what the processes said where it does not come.
    pub(crate) async fn wait<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
        let waited = eventually(what, PATIENCE, look).await;
        waited.with_context(|| format!("coordinator: {}\nworker: {}", self.said("coordinator"), self.said("worker")))
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// What everybody has used so far.
    pub(crate) fn look(&self, coordinator: &Background, worker: &Background) -> anyhow::Result<Look> {
        let (broker, store) = self.servers.used()?;
        Ok(Look {
            at: Instant::now(),
            answered: self.provider.answered()?,
            worker: cpu_seconds(&worker.pid())?.0,
            broker,
            store,
            coordinator: cpu_seconds(&coordinator.pid())?.0,
        })
    }

    /// What calls take in the mean when so many have been answered and as many as `counted` follow.
    pub(crate) async fn measure(
        &self,
        coordinator: &Background,
        worker: &Background,
        (warm_up, counted): (f64, f64),
    ) -> anyhow::Result<Taken> {
        self.answered(self.provider.answered()?, warm_up).await?;
        let before = self.look(coordinator, worker)?;
        self.answered(before.answered, counted).await?;
        Ok(self.look(coordinator, worker)?.since(&before))
    }
}

impl Look {
    fn since(&self, before: &Self) -> Taken {
        let calls = self.answered.calls - before.answered.calls;
        Taken {
            calls,
            calls_per_second: calls / (self.at - before.at).as_secs_f64(),
            prompt_bytes: self.answered.prompt_bytes_since(before.answered),
            worker: (self.worker - before.worker) / calls,
            broker: (self.broker - before.broker) / calls,
            store: (self.store - before.store) / calls,
            coordinator: (self.coordinator - before.coordinator) / calls,
        }
    }
}

/// The queue of a run's only model, or of the run.
pub(crate) fn queue_of(run: &RunId, lane: fn(ModelId) -> Lane) -> QueueName {
    QueueName { run: run.clone(), lane: lane(ModelId(0)) }
}

/// How full a queue is; empty where there is none yet.
pub(crate) async fn depth(queue: &RabbitQueue, name: &QueueName) -> anyhow::Result<Depth> {
    Ok(queue.depth(name).await?.unwrap_or(Depth { messages: 0, consumers: 0 }))
}
