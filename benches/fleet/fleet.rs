//! A coordinator and its workers, started as a user would start them, and their resource usage.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Depth, QueueKind, QueueName, RabbitQueue};
use valuesim_test_servers::eventually;

use crate::cpu::cpu_seconds;
use crate::process::{Answered, Background, Provider, valuesim};
use crate::servers::{Addresses, Servers};

/// The time limit for every wait, long enough for a busy machine.
const WAIT_LIMIT: Duration = Duration::from_mins(10);

/// The shared environment of one run's processes, which the caller owns.
pub(crate) struct Fleet<'a> {
    provider: &'a Provider,
    servers: &'a Servers,
    pub(crate) addresses: Addresses,
    folder: TempDir,
}

/// The resource usage of all processes at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    at: Instant,
    answered: Answered,
    /// CPU seconds.
    worker: f64,
    broker: f64,
    store: f64,
    coordinator: f64,
}

/// The mean cost of a call between two snapshots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallCost {
    pub(crate) calls: f64,
    pub(crate) calls_per_second: f64,
    pub(crate) prompt_bytes: usize,
    /// CPU seconds per call.
    pub(crate) worker: f64,
    pub(crate) broker: f64,
    pub(crate) store: f64,
    pub(crate) coordinator: f64,
}

impl CallCost {
    /// CPU seconds per call of worker, broker and store.
    pub(crate) fn without_coordinator(&self) -> f64 {
        self.worker + self.broker + self.store
    }

    pub(crate) fn all(&self) -> f64 {
        self.without_coordinator() + self.coordinator
    }
}

impl<'a> Fleet<'a> {
    /// A fleet with empty queues and an empty store.
    pub(crate) async fn new(servers: &'a Servers, provider: &'a Provider) -> anyhow::Result<Self> {
        Ok(Self { provider, servers, addresses: servers.fresh().await?, folder: tempfile::tempdir()? })
    }

    /// Starts a coordinator. A rate limit is set, so that it is counted, but too high to ever be reached.
    pub(crate) fn coordinator(&self, flags: &[&str]) -> anyhow::Result<Background> {
        self.coordinator_at(&self.provider.base_url, flags)
    }

    /// The same with a different URL of the provider.
    pub(crate) fn coordinator_at(&self, base_url: &str, flags: &[&str]) -> anyhow::Result<Background> {
        self.start_coordinator(base_url, &[&["--requests-per-minute", "100000000"], flags].concat())
    }

    /// The same with the limits that the flags set, if any.
    pub(crate) fn limited_coordinator(&self, flags: &[&str]) -> anyhow::Result<Background> {
        self.start_coordinator(&self.provider.base_url, flags)
    }

    fn start_coordinator(&self, base_url: &str, flags: &[&str]) -> anyhow::Result<Background> {
        let mut command = valuesim(&["coordinate", "--model", "m", "--base-url", base_url]);
        command.arg("--runs").arg(self.folder.path().join("runs")).args(flags);
        self.start(command, "coordinator")
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, in_flight: usize) -> anyhow::Result<Background> {
        let mut command = valuesim(&["work", "--calls-in-flight", &in_flight.to_string()]);
        command.args(["--grace", "5"]);
        self.start(command, "worker")
    }

    /// Standard error goes to a log file, which [`Fleet::wait`] reports. Later processes of the same kind overwrite it.
    fn start(&self, mut command: Command, name: &str) -> anyhow::Result<Background> {
        let log = File::create(self.folder.path().join(format!("{name}.log")))?;
        command.env("VALUESIM_BROKER", &self.addresses.broker).env("VALUESIM_STORE", &self.addresses.store);
        command.stdout(Stdio::null()).stderr(log);
        Ok(Background(command.spawn().with_context(|| format!("start the {name}"))?))
    }

    /// Waits until the coordinator has begun the run; returns its id.
    pub(crate) async fn run(&self) -> anyhow::Result<RunId> {
        let runs = self.folder.path().join("runs");
        let begun = async || {
            let mut folders = std::fs::read_dir(&runs).ok()?.filter_map(Result::ok);
            let folder = folders.find(|folder| folder.path().join("ledger.redb").is_file())?;
            folder.file_name().into_string().ok()
        };
        Ok(RunId(self.wait("a run folder", begun).await?))
    }

    /// When the run's ledger was last written.
    pub(crate) fn ledger_written(&self, run: &RunId) -> anyhow::Result<std::time::SystemTime> {
        let ledger = self.folder.path().join("runs").join(&run.0).join("ledger.redb");
        Ok(std::fs::metadata(ledger)?.modified()?)
    }

    /// Waits until the provider has answered this many more calls than at `before`.
    pub(crate) async fn answered(&self, before: Answered, calls: f64) -> anyhow::Result<()> {
        let enough = async || (self.provider.answered().ok()?.calls >= before.calls + calls).then_some(());
        self.wait("answered calls", enough).await
    }

    /// Waits until a queue has at least this many messages.
    pub(crate) async fn filled(&self, queue: &RabbitQueue, name: &QueueName, messages: u32) -> anyhow::Result<()> {
        let filled = async || (depth(queue, name).await.ok()?.messages >= messages).then_some(());
        self.wait("a full queue", filled).await
    }

    /// Waits for a condition; a timeout reports the logs of the processes.
    pub(crate) async fn wait<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
        let waited = eventually(what, WAIT_LIMIT, look).await;
        waited.with_context(|| format!("coordinator: {}\nworker: {}", self.log("coordinator"), self.log("worker")))
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// The resource usage of all processes so far.
    pub(crate) fn snapshot(&self, coordinator: &Background, worker: &Background) -> anyhow::Result<Snapshot> {
        let (broker, store) = self.servers.used()?;
        Ok(Snapshot {
            at: Instant::now(),
            answered: self.provider.answered()?,
            worker: cpu_seconds(&worker.pid())?.0,
            broker,
            store,
            coordinator: cpu_seconds(&coordinator.pid())?.0,
        })
    }

    /// The mean cost of the `measured` calls after the first `warm_up` calls.
    pub(crate) async fn measure(
        &self,
        coordinator: &Background,
        worker: &Background,
        (warm_up, measured): (f64, f64),
    ) -> anyhow::Result<CallCost> {
        self.answered(self.provider.answered()?, warm_up).await?;
        let before = self.snapshot(coordinator, worker)?;
        self.answered(before.answered, measured).await?;
        Ok(self.snapshot(coordinator, worker)?.since(&before))
    }
}

impl Snapshot {
    fn since(&self, before: &Self) -> CallCost {
        let calls = self.answered.calls - before.answered.calls;
        CallCost {
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

/// A queue of the run's only model, or of the run.
pub(crate) fn queue_of(run: &RunId, kind: fn(ModelId) -> QueueKind) -> QueueName {
    QueueName { run: run.clone(), kind: kind(ModelId(0)) }
}

/// The depth of a queue; 0 if it does not exist yet.
pub(crate) async fn depth(queue: &RabbitQueue, name: &QueueName) -> anyhow::Result<Depth> {
    Ok(queue.depth(name).await?.unwrap_or(Depth { messages: 0, consumers: 0 }))
}
