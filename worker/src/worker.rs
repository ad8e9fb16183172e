//! Takes tasks while there is room for their calls, and does them side by side.
//!
//! ```text
//!   CAB tasks ───┐ first
//!                ├──> room? ──> stage ──> calls ──> next task / outcome ──> acknowledge
//!   story tasks ─┘ else
//! ```

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use valuesim_shared::dead::Unfit;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::manifest::{Manifest, ManifestError};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Delivery, Lane, Queue, QueueError, QueueName};
use valuesim_shared::split::SplitError;
use valuesim_shared::store::{Store, StoreError};
use valuesim_shared::task::{Task, TaskError, TaskKind};

use crate::demand::{Demand, Held};
use crate::hold::Hold;
use crate::listening::Ear;
use crate::meter::Meter;
use crate::metrics::Undone;
use crate::provider::{CallError, CallErrorKind, ClientError};
pub use crate::run::MisfitError;
use crate::run::Run;
use crate::timing::{Timing, Waits};
use crate::{cab, story};

/// How many story tasks are fetched together at most: enough to hide the way to the broker, few enough to share.
const MOST_STORIES_AT_ONCE: usize = 300;

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has no manifest of the run.
    #[error("the store has no manifest of run {0}: start the run first")]
    NoManifest(RunId),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The run was started with other prompts.
    #[error("run {0} uses other prompt templates than this program: use the release that started the run")]
    OtherPrompts(RunId),
    /// A provider's client cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A task cannot be read.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A provider will not answer any more calls.
    #[error("model {model:?}: {error}; {}", .error.kind.advice())]
    Provider {
        /// The model.
        model: String,
        /// What the provider said.
        error: CallError,
    },
    /// The questions cannot be split as the manifest says.
    #[error("the manifest of the run: {0}")]
    Split(#[from] SplitError),
    /// A task does not fit its run.
    #[error(transparent)]
    Misfit(#[from] MisfitError),
    /// A task ended without an answer because of a fault of this program.
    #[error("a task broke off, which is a fault of this program: {0}")]
    Broken(JoinError),
}

impl WorkerError {
    /// Whether the user's settings are at fault: a key, a name, an address.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Client(_) => true,
            Self::Provider { error, .. } => !matches!(error.kind, CallErrorKind::NoMoney | CallErrorKind::NotAgain),
            _ => false,
        }
    }
}

/// Why a task did not end as it should.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The worker is to stop; what was done is in the store.
    Stopped,
    /// The worker cannot go on.
    Failed(WorkerError),
}

impl<E: Into<WorkerError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Does the tasks of one run. Cheap to clone.
#[derive(Debug)]
pub struct Worker<Q, S, O> {
    pub(crate) shared: Arc<Shared<Q, S, O>>,
}

impl<Q, S, O> Clone for Worker<Q, S, O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// What all tasks of a worker share.
#[derive(Debug)]
pub(crate) struct Shared<Q, S, O> {
    pub(crate) queue: Q,
    pub(crate) store: S,
    pub(crate) office: O,
    pub(crate) run: Run,
    pub(crate) waits: Waits,
    /// By model.
    pub(crate) holds: Vec<Hold>,
    pub(crate) meter: Arc<Meter>,
    /// By model: answers that were no chat completion since the last one that was.
    pub(crate) malformed: Vec<AtomicU32>,
    pub(crate) unfit: Unfit,
    tasks: AtomicU32,
}

impl<Q: Queue, S: Store, O: PermitOffice> Worker<Q, S, O> {
    /// A worker for the run `run`, whose manifest it fetches from the store. Reads the providers' keys.
    pub async fn new(run: &RunId, queue: Q, store: S, office: O) -> Result<Self, WorkerError> {
        Self::with_timing(run, (queue, store, office), Timing::default()).await
    }

    /// The same, more patient or less.
    pub async fn with_timing(
        run: &RunId,
        (queue, store, office): (Q, S, O),
        timing: Timing,
    ) -> Result<Self, WorkerError> {
        let manifest = store.manifest(run).await?.ok_or_else(|| WorkerError::NoManifest(run.clone()))?;
        let manifest = Manifest::from_bytes(&manifest)?;
        Self::of_manifest(manifest, (queue, store, office), (timing, Unfit::EndsTheProcess))
    }

    /// A worker for a run whose manifest is at hand. Reads the providers' keys.
    pub fn of_manifest(
        manifest: Manifest,
        (queue, store, office): (Q, S, O),
        (Timing { deadlines, waits }, unfit): (Timing, Unfit),
    ) -> Result<Self, WorkerError> {
        let run = Run::new(manifest, deadlines)?;
        let holds = run.manifest.models.iter().map(|_| Hold::default()).collect();
        let malformed = run.manifest.models.iter().map(|_| AtomicU32::new(0)).collect();
        let (meter, tasks) = (Arc::new(Meter::new(run.manifest.models.len())), AtomicU32::new(0));
        let shared = Shared { queue, store, office, run, waits, holds, meter, malformed, unfit, tasks };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Tasks that were taken and are not finished.
    pub fn tasks(&self) -> u32 {
        self.shared.tasks.load(Ordering::Relaxed)
    }

    /// The worker's counts.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.shared.meter)
    }

    /// Does tasks until `stop` is cancelled or nothing more can be done. Either way the calls in flight are finished
    /// and kept before it returns.
    pub async fn work(&self, stop: &CancellationToken) -> Result<(), WorkerError> {
        let halt = stop.child_token();
        let models = self.shared.run.manifest.models().map(|(model, _)| self.serve(model, halt.clone()));
        futures_util::future::join_all(models).await.into_iter().collect()
    }

    async fn serve(&self, model: ModelId, halt: CancellationToken) -> Result<(), WorkerError> {
        let desk = Desk::new(&self.shared, model);
        let mut tasks = JoinSet::new();
        let mut failed = None;
        let mut settle = |ended: Result<Result<(), Halt>, JoinError>| {
            let error = match ended {
                Ok(Ok(()) | Err(Halt::Stopped)) => return,
                Ok(Err(Halt::Failed(error))) => error,
                Err(broken) => WorkerError::Broken(broken),
            };
            halt.cancel();
            failed.get_or_insert(error);
        };
        loop {
            tokio::select! {
                biased;
                () = halt.cancelled() => break,
                Some(ended) = tasks.join_next() => settle(ended),
                taken = desk.next() => match taken {
                    Ok(Taken::Task(work)) => {
                        tasks.spawn(self.clone().do_task(work, halt.clone()));
                    }
                    Ok(Taken::Unfit(delivery, error)) => {
                        tasks.spawn(self.clone().park_unfit(delivery, error));
                    }
                    Err(error) => settle(Ok(Err(Halt::Failed(error)))),
                },
            }
        }
        while let Some(ended) = tasks.join_next().await {
            settle(ended);
        }
        failed.map_or(Ok(()), Err)
    }

    async fn do_task(self, work: Work<Q::Delivery>, halt: CancellationToken) -> Result<(), Halt> {
        let Work { task, delivery, held } = work;
        let _counted = Counted::new(&self.shared.tasks);
        let taken_at = Instant::now();
        let task = Arc::new(task);
        let stage = AssertUnwindSafe(self.stage(&task, held, &halt)).catch_unwind().await;
        match stage {
            // What the store keeps for the cell stays until the coordinator has its outcome on the disk. An
            // acknowledgement that does not arrive only lets the task come again.
            Ok(Ok(())) => {
                self.shared.meter.task_done(task.kind, taken_at.elapsed());
                Ok(delivery.ack().await?)
            }
            Ok(Err(halt)) => {
                self.shared.meter.task_undone(Some(task.kind), Undone::HandedBack);
                self.shared.queue.hand_back(&queue_of(&task), delivery).await?;
                Err(halt)
            }
            Err(panic) => self.broke_off(Task::clone(&task), delivery, panic).await,
        }
    }

    async fn stage(&self, task: &Arc<Task>, held: Held, halt: &CancellationToken) -> Result<(), Halt> {
        match task.kind {
            TaskKind::Story => story::write(&self.shared, task, halt).await,
            TaskKind::Cab => cab::answer(&self.shared, task, held, halt).await,
        }
    }
}

/// The queue in which a task waits.
pub(crate) fn queue_of(task: &Task) -> QueueName {
    let lane = match task.kind {
        TaskKind::Story => Lane::Story(task.cell.model),
        TaskKind::Cab => Lane::Cab(task.cell.model),
    };
    QueueName { run: task.run.clone(), lane }
}

/// A task that is counted until this is dropped.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(tasks: &'a AtomicU32) -> Self {
        tasks.fetch_add(1, Ordering::Relaxed);
        Self(tasks)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What came from a queue.
enum Taken<D> {
    Task(Work<D>),
    /// No task of this run, and why.
    Unfit(D, WorkerError),
}

/// A task with its delivery and its place in the demand.
struct Work<D> {
    task: Task,
    delivery: D,
    held: Held,
}

/// Where the tasks for one model are taken.
struct Desk<'a, Q> {
    queue: &'a Q,
    run: &'a Run,
    model: ModelId,
    ear: &'a Ear,
    cab: QueueName,
    story: QueueName,
    demand: Demand,
}

impl<'a, Q: Queue> Desk<'a, Q> {
    fn new<S, O>(shared: &'a Shared<Q, S, O>, model: ModelId) -> Self {
        let name = |lane| QueueName { run: shared.run.manifest.run.clone(), lane };
        Self {
            queue: &shared.queue,
            run: &shared.run,
            model,
            ear: &shared.meter.ears()[usize::from(model.0)],
            cab: name(Lane::Cab(model)),
            story: name(Lane::Story(model)),
            demand: Demand::new(shared.run.manifest.models[model.0 as usize].limits.calls_in_flight as usize),
        }
    }

    /// The next task once there is room for its calls; CAB tasks first. Dropping the future loses no task.
    async fn next(&self) -> Result<Taken<Q::Delivery>, WorkerError> {
        let free_calls = self.demand.room().await;
        let _listening = self.ear.listen();
        let cells = free_calls.div_ceil(self.run.most_first_calls().max(1));
        let delivery = tokio::select! {
            biased;
            cab = self.queue.take(&self.cab, cells) => cab?,
            story = self.queue.take(&self.story, free_calls.min(MOST_STORIES_AT_ONCE)) => story?,
        };
        let task = match self.read(delivery.body()) {
            Ok(task) => task,
            Err(error) => return Ok(Taken::Unfit(delivery, error)),
        };
        let calls = match task.kind {
            TaskKind::Story => 1,
            TaskKind::Cab => self.run.first_calls(task.cell.fold),
        };
        Ok(Taken::Task(Work { task, delivery, held: self.demand.hold(calls) }))
    }

    fn read(&self, message: &[u8]) -> Result<Task, WorkerError> {
        let task = Task::from_bytes(message)?;
        self.run.check(&task, self.model)?;
        Ok(task)
    }
}
