//! Takes tasks while there is room for their calls, and does them side by side.
//!
//! ```text
//!   CAB tasks ───┐ first
//!                ├──> room? ──> stage ──> calls ──> next task / outcome ──> acknowledge
//!   story tasks ─┘ else
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::manifest::{Manifest, ManifestError};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Delivery, Lane, Queue, QueueError, QueueName};
use valuesim_shared::split::SplitError;
use valuesim_shared::store::{Store, StoreError};
use valuesim_shared::task::{Task, TaskError, TaskKind};

use crate::demand::{Demand, Held};
use crate::hold::Hold;
use crate::meter::Meter;
use crate::provider::{CallError, CallErrorKind, ClientError};
use crate::run::Run;
use crate::timing::{Timing, Waits};
use crate::{cab, story};

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
        Timing { deadlines, waits }: Timing,
    ) -> Result<Self, WorkerError> {
        let manifest = store.manifest(run).await?.ok_or_else(|| WorkerError::NoManifest(run.clone()))?;
        let run = Run::new(Manifest::from_bytes(&manifest)?, deadlines)?;
        let holds = run.manifest.models.iter().map(|_| Hold::default()).collect();
        let malformed = run.manifest.models.iter().map(|_| AtomicU32::new(0)).collect();
        Ok(Self {
            shared: Arc::new(Shared { queue, store, office, run, waits, holds, meter: Arc::default(), malformed }),
        })
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
                    Ok(work) => {
                        tasks.spawn(self.clone().do_task(work, halt.clone()));
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
        let task = Arc::new(task);
        match task.kind {
            TaskKind::Story => story::write(&self.shared, &task, &halt).await?,
            TaskKind::Cab => cab::answer(&self.shared, &task, held, &halt).await?,
        }
        // What the store keeps for the cell stays until the coordinator has its outcome on the disk.
        delivery.ack().await?;
        Ok(())
    }
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
            cab: name(Lane::Cab(model)),
            story: name(Lane::Story(model)),
            demand: Demand::new(shared.run.manifest.models[model.0 as usize].limits.calls_in_flight as usize),
        }
    }

    /// The next task once there is room for its calls; CAB tasks first. Dropping the future loses no task.
    async fn next(&self) -> Result<Work<Q::Delivery>, WorkerError> {
        self.demand.room().await;
        let delivery = tokio::select! {
            biased;
            cab = self.queue.take(&self.cab) => cab?,
            story = self.queue.take(&self.story) => story?,
        };
        let task = Task::from_bytes(delivery.body())?;
        let calls = match task.kind {
            TaskKind::Story => 1,
            TaskKind::Cab => self.run.first_calls(task.cell.fold),
        };
        Ok(Work { task, delivery, held: self.demand.hold(calls) })
    }
}
