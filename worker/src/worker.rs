//! Takes tasks while there is room for their calls, and does them side by side.
//!
//! ```text
//!   CAB tasks ───┐ first
//!                ├──> room? ──> stage ──> calls ──> next task / outcome ──> acknowledge
//!   story tasks ─┘ else
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use valuesim_shared::dead::Unfit;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::manifest::{Manifest, ManifestError};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Delivery, Queue, QueueError, QueueName, Verdict};
use valuesim_shared::split::SplitError;
use valuesim_shared::store::{Ground, Store, StoreError};
use valuesim_shared::task::{Task, TaskError, TaskKind};

use crate::attempt::{Attempt, End};
use crate::desk::{Desk, Taken, Work};
use crate::duty::Duty;
use crate::failures::FailedCells;
use crate::hold::{Hold, Why};
use crate::meter::Meter;
use crate::metrics::Undone;
use crate::outage::Outage;
use crate::provider::{CallError, CallErrorKind, ClientError};
use crate::pulse::{HEAR_FIRST, Pulse};
pub use crate::run::MisfitError;
use crate::run::Run;
use crate::timing::{Keeping, Timing, Waits};

/// How long handing a task back may take; the queue takes it back in any case.
const HAND_BACK_WITHIN: Duration = Duration::from_secs(5);

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
    /// A task was delivered again and again, and whoever had it went away.
    #[error(
        "the task of cell {cell} was delivered {times} times, and each time its worker died or lost its connection"
    )]
    KillsItsWorkers {
        /// Its cell.
        cell: Cell,
        /// How often it was delivered.
        times: u32,
    },
    /// A task ended without an answer because of a fault of this program.
    #[error("a task broke off, which is a fault of this program: {0}")]
    Broken(JoinError),
}

impl WorkerError {
    /// Whether it may be the task's own fault: the provider did not take a call of it, or no message holds what it led to.
    pub(crate) fn may_be_the_tasks(&self) -> bool {
        use CallErrorKind::{BadRequest, Malformed, NotAgain};
        match self {
            Self::Provider { error, .. } => matches!(error.kind, BadRequest | NotAgain | Malformed),
            Self::Queue(error) => matches!(error, QueueError::TooLarge { .. }),
            _ => false,
        }
    }

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
    /// By model.
    pub(crate) outages: Vec<Outage>,
    pub(crate) pulse: Pulse,
    pub(crate) meter: Arc<Meter>,
    /// By model: answers that were no chat completion since the last one that was.
    pub(crate) malformed: Vec<AtomicU32>,
    /// By model.
    pub(crate) failed_cells: Vec<FailedCells>,
    pub(crate) keeping: Keeping,
    /// The newest version of tasks that it does.
    pub(crate) newest_task: u16,
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
        Self::of_manifest(manifest, (queue, store, office), Duty::alone(timing))
    }

    /// A worker for a run whose manifest is at hand. Reads the keys for the models that it serves.
    pub fn of_manifest(
        manifest: Manifest,
        (queue, store, office): (Q, S, O),
        Duty { served, timing: Timing { deadlines, waits, keeping }, unfit, newest_task, metrics }: Duty,
    ) -> Result<Self, WorkerError> {
        let run = Run::new(manifest, deadlines, &served)?;
        let holds = run.manifest.models.iter().map(|_| Hold::default()).collect();
        let outages = run.manifest.models.iter().map(|_| Outage::default()).collect();
        let malformed = run.manifest.models.iter().map(|_| AtomicU32::new(0)).collect();
        let failed_cells = run.manifest.models.iter().map(|_| FailedCells::default()).collect();
        let (meter, tasks) = (Arc::new(Meter::new(&run.manifest.models, metrics.as_ref())), AtomicU32::new(0));
        let shared = Shared {
            queue,
            store,
            office,
            run,
            waits,
            holds,
            outages,
            pulse: Pulse::new(),
            meter,
            malformed,
            failed_cells,
            keeping,
            newest_task,
            unfit,
            tasks,
        };
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
        let models = self.shared.run.served().map(|model| self.serve(model, halt.clone()));
        self.shared.pulse.note();
        let leave_alone = || self.shared.holds.iter().for_each(|hold| hold.at_least(HEAR_FIRST, Why::StoodStill));
        tokio::select! {
            biased;
            ended = futures_util::future::join_all(models) => ended.into_iter().collect(),
            never = self.shared.pulse.beat(leave_alone) => never,
        }
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
                        tasks.spawn(unless_it_stops(halt.clone(), self.clone().park_unfit(delivery, error)));
                    }
                    Ok(Taken::SetApart(delivery, lane)) => {
                        tasks.spawn(unless_it_stops(halt.clone(), self.clone().set_apart(lane, delivery)));
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
        let Work { task, delivery, queue, held, _alone } = work;
        let _counted = Counted::new(&self.shared.tasks);
        let taken_at = Instant::now();
        let attempt = Attempt::new(&self.shared, task);
        let kind = attempt.task.kind;
        let ground = if delivery.deliveries_before() == 0 { Ground::FirstDelivery } else { Ground::TakeOver };
        let end = attempt.run(held, (ground, delivery.gone()), &halt).await;
        match end {
            // What the store keeps for the cell stays until the coordinator has its outcome on the disk. An
            // acknowledgement that does not arrive only lets the task come again.
            End::Done => {
                self.shared.meter.task_done(kind, taken_at.elapsed());
                Ok(delivery.ack().await?)
            }
            End::Duplicate => {
                self.shared.meter.task_undone(Some(kind), Undone::Duplicate);
                Ok(delivery.ack().await?)
            }
            End::Stopped => {
                self.hand_back(&queue, kind, delivery).await;
                Err(Halt::Stopped)
            }
            End::Failed(error) if error.may_be_the_tasks() && self.is_to_try_again(attempt.task.cell) => {
                unless_it_stops(halt, self.try_again(Task::clone(&attempt.task), delivery, &error)).await
            }
            End::Failed(error) => {
                self.hand_back(&queue, kind, delivery).await;
                Err(Halt::Failed(error))
            }
            End::BrokeOff(panic) => {
                unless_it_stops(halt, self.broke_off(Task::clone(&attempt.task), delivery, panic)).await
            }
        }
    }

    /// Gives a task back for others. One that cannot be handed back now is dropped, and goes back all the same.
    async fn hand_back(&self, queue: &QueueName, kind: TaskKind, delivery: Q::Delivery) {
        self.shared.meter.task_undone(Some(kind), Undone::HandedBack);
        let handing_back = self.shared.queue.hand_back(queue, delivery, Verdict::Harmless);
        if !matches!(timeout(HAND_BACK_WITHIN, handing_back).await, Ok(Ok(()))) {
            tracing::debug!(%queue, "a task was not handed back in time; the queue takes it back");
        }
    }
}

/// Puts a message somewhere else, and gives that up where the worker is to stop and nobody takes the message: it is dropped
/// then, and goes back.
async fn unless_it_stops(halt: CancellationToken, putting: impl Future<Output = Result<(), Halt>>) -> Result<(), Halt> {
    tokio::select! {
        biased;
        put = putting => put,
        () = async { halt.cancelled().await; sleep(HAND_BACK_WITHIN).await } => Err(Halt::Stopped),
    }
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
