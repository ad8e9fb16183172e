//! One cell on a workbench: a queue, a store and an office in memory, and a worker that does its tasks.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use valuesim_shared::cell::needs_backstory;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::id::{Code, Fold, ModelId, RunId};
use valuesim_shared::manifest::{MANIFEST_VERSION, Manifest};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::CellOutcome;
use valuesim_shared::permit::{CircuitPauses, QuotaOffice};
use valuesim_shared::prompt::prompts_digest;
use valuesim_shared::queue::{Delivery as _, MemoryQueue, Queue as _, QueueKind, QueueName};
use valuesim_shared::split::{PAPER_FOLDS, PAPER_SEED};
use valuesim_shared::store::{EmbeddedStore, Store as _};
use valuesim_shared::task::{PackedCodes, TASK_VERSION, Task, TaskKind};
use valuesim_worker::config::WorkerConfig;
use valuesim_worker::error::WorkerError;
use valuesim_worker::meter::{Meter, Reading};
use valuesim_worker::provider::Deadlines;
use valuesim_worker::timeouts::{Backoff, Timeouts};
use valuesim_worker::worker::Worker;

/// A ceiling for what hangs: no test takes longer, however slow the machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// How the cell is set up.
pub(crate) struct Setup {
    pub(crate) behaviour: Behaviour,
    pub(crate) method: Method,
    pub(crate) model: ModelSettings,
    pub(crate) timeouts: Timeouts,
    /// How many cells there are; of a respondent each.
    pub(crate) cells: u32,
    /// What becomes of tasks that cannot be done.
    pub(crate) on_bad_message: OnBadMessage,
}

impl Setup {
    /// The `valuesim` method with a model at `address`, and a worker that does not wait long between attempts.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let mut model = ModelSettings::named("m");
        model.base_url = Some(format!("http://{address}/v1"));
        let deadlines =
            Deadlines { connect: Duration::from_secs(5), idle: Duration::from_secs(30), total: Duration::from_mins(1) };
        let backoff = Backoff { first: Duration::from_millis(4), longest: Duration::from_millis(50) };
        let timeouts = Timeouts { deadlines, backoff, ..Timeouts::default() };
        let (behaviour, method) = (Behaviour::Corrected, Method::ValueSim);
        Self { behaviour, method, model, timeouts, cells: 1, on_bad_message: OnBadMessage::EndProcess }
    }
}

/// The fold of the cell: one that holds out no open question, so that both behaviours ask all of it.
pub(crate) fn fold() -> Fold {
    Fold::new(4).expect("not 0")
}

/// A cell that is to be done.
pub(crate) struct Bench {
    queue: MemoryQueue,
    worker: Worker<MemoryQueue, EmbeddedStore, QuotaOffice>,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = EmbeddedStore::open(&folder.path().join("store")).expect("opens");
        let queue = MemoryQueue::new(64);
        store.put_manifest(&run(), &manifest(&setup)).await.expect("writes");
        let (queue_kind, kind) = if needs_backstory(&[setup.method]) {
            (QueueKind::Story(ModelId(0)), TaskKind::Story)
        } else {
            (QueueKind::Cab(ModelId(0)), TaskKind::Cab)
        };
        for respondent in 1..=setup.cells {
            queue.publish(&name(queue_kind), task(kind, respondent).into()).await.expect("open");
        }
        let Backoff { first, longest } = setup.timeouts.backoff;
        let office = QuotaOffice::local(CircuitPauses { first, longest: longest / 4 });
        let ports = (queue.clone(), store, office);
        let manifest = Manifest::from_bytes(&manifest(&setup)).expect("is a manifest");
        let config = WorkerConfig { on_bad_message: setup.on_bad_message, ..WorkerConfig::alone(setup.timeouts, 0) };
        let worker = Worker::of_manifest(manifest, ports, config).expect("is ready");
        Self { queue, worker, _folder: folder }
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.worker.meter()
    }

    /// Works until the cell is finished or the worker cannot go on.
    pub(crate) async fn finish(&self) -> Result<CellOutcome, WorkerError> {
        let stop = CancellationToken::new();
        let mut work = pin!(self.worker.work(&stop));
        let outcome = tokio::select! {
            ended = &mut work => return Err(ended.expect_err("nobody told the worker to stop")),
            outcome = self.outcome() => outcome,
            () = tokio::time::sleep(PATIENCE) => panic!("the cell is not finished: {:?}", self.meter().read()),
        };
        stop.cancel();
        work.await.map(|()| outcome)
    }

    /// Works until `enough` is over, then stops.
    pub(crate) async fn work_during(&self, enough: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let stop = CancellationToken::new();
        let (worked, ()) = tokio::join!(self.worker.work(&stop), async {
            enough.await;
            stop.cancel();
        });
        worked
    }

    /// Works until the worker cannot go on.
    pub(crate) async fn fail(&self) -> WorkerError {
        let stop = CancellationToken::new();
        let worked = tokio::time::timeout(PATIENCE, self.worker.work(&stop)).await;
        worked.expect("in time").expect_err("nobody told the worker to stop")
    }

    /// The tasks that wait in a queue.
    pub(crate) async fn waiting(&self, kind: QueueKind) -> Vec<Task> {
        let mut tasks = Vec::new();
        while let Some(delivery) = self.queue.try_take(&name(kind)) {
            tasks.push(Task::from_bytes(delivery.body()).expect("is a task"));
            delivery.ack().await.expect("open");
        }
        tasks
    }

    async fn outcome(&self) -> CellOutcome {
        let delivery = self.queue.take(&name(QueueKind::Results), 1).await.expect("open");
        let outcome = serde_json::from_slice(delivery.body()).expect("is an outcome");
        delivery.ack().await.expect("open");
        outcome
    }
}

/// Waits until the meter shows what is waited for.
pub(crate) async fn shows(meter: &Meter, what: impl Fn(&Reading) -> bool) {
    let seen = async {
        while !what(&meter.read()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never seen: {:?}", meter.read()));
}

fn run() -> RunId {
    RunId("r1".to_owned())
}

fn name(kind: QueueKind) -> QueueName {
    QueueName { run: run(), kind }
}

fn manifest(setup: &Setup) -> Vec<u8> {
    let manifest = json!({
        "version": MANIFEST_VERSION,
        "run": "r1",
        "behaviour": setup.behaviour,
        "split": {"seed": PAPER_SEED, "folds": PAPER_FOLDS},
        "methods": [setup.method],
        "models": [setup.model],
        "transcripts": false,
        "prompts": prompts_digest(),
        "codebook": Codebook::built_in(),
    });
    serde_json::to_vec(&manifest).expect("writes")
}

fn task(kind: TaskKind, respondent: u32) -> Vec<u8> {
    let profile = PackedCodes(vec![Code(1); 232]);
    let cell = json!({"model": 0, "respondent": respondent, "fold": fold()});
    let task = json!({"version": TASK_VERSION, "kind": kind, "run": "r1", "cell": cell, "profile": profile});
    serde_json::to_vec(&task).expect("writes")
}
