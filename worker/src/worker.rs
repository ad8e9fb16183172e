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
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Delivery, Queue, QueueName, Verdict};
use valuesim_shared::store::{LeaseReason, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::attempt::{Attempt, End};
use crate::config::WorkerConfig;
use crate::context::Context;
use crate::error::WorkerError;
use crate::failures::FailedCells;
use crate::halt::Halt;
use crate::meter::Meter;
use crate::metrics::Undone;
use crate::run::Run;
use crate::task_source::{Taken, TaskSource, Work};
use crate::timeouts::Timeouts;

/// How long handing a task back may take; the queue takes it back in any case.
const HAND_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Does the tasks of one run. Cheap to clone.
#[derive(Debug)]
pub struct Worker<Q, S, O: PermitOffice> {
    pub(crate) context: Arc<Context<Q, S, O>>,
}

impl<Q, S, O: PermitOffice> Clone for Worker<Q, S, O> {
    fn clone(&self) -> Self {
        Self { context: Arc::clone(&self.context) }
    }
}

impl<Q: Queue, S: Store, O: PermitOffice> Worker<Q, S, O> {
    /// A worker for the run `run`, whose manifest it fetches from the store. Reads the providers' keys.
    pub async fn new(run: &RunId, queue: Q, store: S, office: O) -> Result<Self, WorkerError> {
        Self::with_timeouts(run, (queue, store, office), Timeouts::default()).await
    }

    /// The same, more patient or less.
    pub async fn with_timeouts(
        run: &RunId,
        (queue, store, office): (Q, S, O),
        timing: Timeouts,
    ) -> Result<Self, WorkerError> {
        let manifest = store.manifest(run).await?.ok_or_else(|| WorkerError::NoManifest(run.clone()))?;
        let manifest = Manifest::from_bytes(&manifest)?;
        Self::of_manifest(manifest, (queue, store, office), WorkerConfig::alone(timing))
    }

    /// A worker for a run whose manifest is at hand. Reads the keys for the models that it serves.
    pub fn of_manifest(
        manifest: Manifest,
        (queue, store, office): (Q, S, O),
        WorkerConfig { served, timing: Timeouts { deadlines, waits, keeping }, on_bad_message, newest_task, metrics }: WorkerConfig,
    ) -> Result<Self, WorkerError> {
        let run = Run::new(manifest, deadlines, &served)?;
        let desk = |model: &ModelSettings| {
            let is_served = served.has(model);
            is_served.then(|| office.open(&run.manifest.run, &model.endpoint(), &model.name, model.limits))
        };
        let desks = run.manifest.models.iter().map(desk).collect();
        let malformed = run.manifest.models.iter().map(|_| AtomicU32::new(0)).collect();
        let failed_cells = run.manifest.models.iter().map(|_| FailedCells::default()).collect();
        let (meter, tasks) =
            (Arc::new(Meter::new((&run.manifest.models, &run.manifest.methods), metrics.as_ref())), AtomicU32::new(0));
        let context = Context {
            queue,
            store,
            run,
            waits,
            desks,
            meter,
            malformed,
            failed_cells,
            keeping,
            newest_task,
            on_bad_message,
            tasks,
        };
        Ok(Self { context: Arc::new(context) })
    }

    /// Tasks that were taken and are not finished.
    pub fn tasks(&self) -> u32 {
        self.context.tasks.load(Ordering::Relaxed)
    }

    /// The worker's counts.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.context.meter)
    }

    /// The models of which this worker could take a task, and for how long it has waited for one, with no news at all.
    pub fn listening(&self) -> impl Iterator<Item = (ModelId, Duration)> + '_ {
        let since = self.context.meter.ears().iter().map(|ear| ear.since().map(|since| since.elapsed()));
        (0..).map(ModelId).zip(since).filter_map(|(model, waited)| Some((model, waited?)))
    }

    /// Does tasks until `stop` is cancelled or nothing more can be done. Either way the calls in flight are finished
    /// and kept before it returns.
    pub async fn work(&self, stop: &CancellationToken) -> Result<(), WorkerError> {
        let halt = stop.child_token();
        let models = self.context.run.served().map(|model| self.serve(model, halt.clone()));
        futures_util::future::join_all(models).await.into_iter().collect()
    }

    async fn serve(&self, model: ModelId, halt: CancellationToken) -> Result<(), WorkerError> {
        let source = TaskSource::new(&self.context, model);
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
                taken = source.next() => match taken {
                    Ok(Taken::Task(work)) => {
                        tasks.spawn(self.clone().do_task(work, halt.clone()));
                    }
                    Ok(Taken::Bad(delivery, error)) => {
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
        let Work { task, delivery, queue, ready, _alone } = work;
        let _counted = Counted::new(&self.context.tasks);
        let taken_at = Instant::now();
        let attempt = Attempt::new(&self.context, task);
        let kind = attempt.task.kind;
        let reason = if delivery.deliveries_before() == 0 { LeaseReason::FirstDelivery } else { LeaseReason::TakeOver };
        let end = attempt.run(ready, (reason, delivery.gone()), &halt).await;
        match end {
            // What the store keeps for the cell stays until the coordinator has its outcome on the disk. An
            // acknowledgement that does not arrive only lets the task come again.
            End::Done => {
                self.context.meter.task_done(kind, taken_at.elapsed());
                Ok(delivery.ack().await?)
            }
            End::Duplicate => {
                self.context.meter.task_undone(Some(kind), Undone::Duplicate);
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
        self.context.meter.task_undone(Some(kind), Undone::HandedBack);
        let handing_back = self.context.queue.hand_back(queue, delivery, Verdict::Harmless);
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
