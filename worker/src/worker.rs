//! A worker takes tasks while it has room for their calls, and executes them concurrently.
//!
//! ```text
//!   CAB tasks ───┐ first
//!                ├──> room? ──> stage ──> calls ──> next task / outcome ──> acknowledge
//!   story tasks ─┘ otherwise
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use valuesim_shared::counted::Counted;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::permit::{PermitOffice, RunShare};
use valuesim_shared::queue::{Delivery, Queue, QueueName, Verdict};
use valuesim_shared::store::{LeaseReason, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::attempt::{Attempt, AttemptEnd};
use crate::config::WorkerConfig;
use crate::context::Context;
use crate::error::WorkerError;
use crate::evidence::Evidence;
use crate::halt::Halt;
use crate::idle_timer::IdleTimer;
use crate::meter::Meter;
use crate::metrics::NotDone;
use crate::run::Run;
use crate::task_source::{Taken, TaskSource, Work};
use crate::timeouts::Timeouts;

/// How long it may take to hand a task back. The queue takes it back in any case.
const HAND_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Executes the tasks of one run. Cheap to clone.
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
    /// A worker for `run`, with the manifest in the store. Reads the providers' keys.
    pub async fn new(run: &RunId, queue: Q, store: S, office: O) -> Result<Self, WorkerError> {
        Self::with_timeouts(run, (queue, store, office), Timeouts::default()).await
    }

    /// A worker for `run` with timeouts other than the default.
    pub async fn with_timeouts(
        run: &RunId,
        (queue, store, office): (Q, S, O),
        timeouts: Timeouts,
    ) -> Result<Self, WorkerError> {
        let manifest = store.manifest(run).await?.ok_or_else(|| WorkerError::NoManifest(run.clone()))?;
        let manifest = Manifest::from_bytes(&manifest)?;
        Self::of_manifest(manifest, (queue, store, office), WorkerConfig::alone(timeouts, 0))
    }

    /// A worker for the run of a manifest. Reads the keys for the models that it serves.
    pub fn of_manifest(
        manifest: Manifest,
        (queue, store, office): (Q, S, O),
        WorkerConfig {
            served,
            timeouts: Timeouts { deadlines, backoff, hold_limits },
            on_bad_message,
            newest_task,
            metrics,
            budget,
            keys,
            evidence,
            brakes,
            has_finished_cells,
        }: WorkerConfig,
    ) -> Result<Self, WorkerError> {
        let run = Run::new(manifest, (deadlines, &keys), &served)?;
        let desk = |model: &ModelSettings| {
            let is_served = served.has(model);
            let of_run = RunShare { run: &run.manifest.run, share: run.manifest.share };
            is_served.then(|| office.open(of_run, &model.endpoint(), model.name_at_provider(), model.limits))
        };
        let desks = run.manifest.models.iter().map(desk).collect();
        let about = |model: &ModelSettings| evidence.about(model.endpoint(), model.name_at_provider());
        let evidence: Vec<Arc<Evidence>> = run.manifest.models.iter().map(about).collect();
        if has_finished_cells {
            for evidence in &evidence {
                evidence.was_answered_before();
            }
        }
        let brakes = brakes.of(&run.manifest);
        let (meter, tasks) =
            (Arc::new(Meter::new((&run.manifest.models, &run.manifest.methods), metrics.as_ref())), AtomicU32::new(0));
        let context = Context {
            queue,
            store,
            run,
            backoff,
            desks,
            meter,
            budget,
            evidence,
            brakes,
            hold_limits,
            newest_task,
            on_bad_message,
            tasks,
        };
        Ok(Self { context: Arc::new(context) })
    }

    /// How many tasks were taken and are not finished.
    pub fn tasks(&self) -> u32 {
        self.context.tasks.load(Ordering::Relaxed)
    }

    /// The worker's counts.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.context.meter)
    }

    /// Gives back what calls have not cost of the money that was drawn for them.
    pub(crate) async fn give_back_money(&self) {
        if let Some(budget) = &self.context.budget {
            budget.close().await;
        }
    }

    /// The models for which this worker is waiting for a task, with how long it has waited.
    pub fn idle_models(&self) -> impl Iterator<Item = (ModelId, Duration)> + '_ {
        let idle_for = self.context.meter.idle_timers().iter().map(IdleTimer::elapsed);
        (0..).map(ModelId).zip(idle_for).filter_map(|(model, idle_for)| Some((model, idle_for?)))
    }

    /// Executes tasks until `stop` is cancelled or nothing more can be done. In both cases it returns only after the calls
    /// in flight have finished and their replies are stored.
    pub async fn work(&self, stop: &CancellationToken) -> Result<(), WorkerError> {
        // If one model's loop fails, the others stop too.
        let serve_stop = stop.child_token();
        let models = self.context.run.served().map(|model| self.serve(model, serve_stop.clone()));
        futures_util::future::join_all(models).await.into_iter().collect()
    }

    async fn serve(&self, model: ModelId, stop: CancellationToken) -> Result<(), WorkerError> {
        let source = TaskSource::new(&self.context, model);
        let mut tasks = JoinSet::new();
        let mut failed = None;
        let mut settle = |ended: Result<Result<(), Halt>, JoinError>| {
            let error = match ended {
                Ok(Ok(()) | Err(Halt::Stopped)) => return,
                Ok(Err(Halt::Failed(error))) => error,
                Err(panic) => WorkerError::Panicked(panic),
            };
            stop.cancel();
            failed.get_or_insert(error);
        };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = tasks.join_next() => settle(ended),
                taken = source.next() => match taken {
                    Ok(Taken::Task(work)) => {
                        tasks.spawn(self.clone().do_task(work, stop.clone()));
                    }
                    Ok(Taken::Bad(delivery, error)) => {
                        tasks.spawn(unless_it_stops(stop.clone(), self.clone().reject(delivery, error)));
                    }
                    Ok(Taken::Redirect(delivery, kind)) => {
                        tasks.spawn(unless_it_stops(stop.clone(), self.clone().move_to(kind, delivery)));
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

    async fn do_task(self, work: Work<Q::Delivery>, stop: CancellationToken) -> Result<(), Halt> {
        let Work { task, delivery, queue, ready, _quarantine_slot } = work;
        let _counted = Counted::new(&self.context.tasks);
        let taken_at = Instant::now();
        let attempt = Attempt::new(&self.context, task);
        let kind = attempt.task.kind;
        let reason = if delivery.deliveries_before() == 0 { LeaseReason::FirstDelivery } else { LeaseReason::TakeOver };
        let end = attempt.run(ready, (reason, delivery.gone()), &stop).await;
        match end {
            // The store keeps the cell's replies until the coordinator has its outcome on disk. If the acknowledgement is
            // lost, the task is only delivered again.
            AttemptEnd::Done => {
                self.context.meter.task_done(kind, taken_at.elapsed());
                Ok(delivery.ack().await?)
            }
            AttemptEnd::Duplicate => {
                self.context.meter.task_not_done(Some(kind), NotDone::Duplicate);
                Ok(delivery.ack().await?)
            }
            AttemptEnd::Stopped => {
                self.hand_back(&queue, kind, delivery).await;
                Err(Halt::Stopped)
            }
            AttemptEnd::Failed(error) if error.is_the_tasks_fault() && self.retries() => {
                unless_it_stops(stop, self.retry(Task::clone(&attempt.task), delivery, &error)).await
            }
            AttemptEnd::Failed(error) => {
                self.hand_back(&queue, kind, delivery).await;
                Err(Halt::Failed(error))
            }
            AttemptEnd::Panicked(panic) => {
                unless_it_stops(stop, self.retry_after_panic(Task::clone(&attempt.task), delivery, panic)).await
            }
        }
    }

    /// Hands a task back for others. If that fails, dropping the delivery returns it too.
    async fn hand_back(&self, queue: &QueueName, kind: TaskKind, delivery: Q::Delivery) {
        self.context.meter.task_not_done(Some(kind), NotDone::HandedBack);
        let handing_back = self.context.queue.hand_back(queue, delivery, Verdict::Harmless);
        if !matches!(timeout(HAND_BACK_WITHIN, handing_back).await, Ok(Ok(()))) {
            tracing::debug!(%queue, "could not hand a task back in time; the queue will take it back");
        }
    }
}

/// Waits until a message is published elsewhere. Gives up if the worker is to stop and the queue does not accept the message
/// in time: its delivery is then dropped, which returns it.
async fn unless_it_stops(
    stop: CancellationToken,
    publishing: impl Future<Output = Result<(), Halt>>,
) -> Result<(), Halt> {
    tokio::select! {
        biased;
        published = publishing => published,
        () = async { stop.cancelled().await; sleep(HAND_BACK_WITHIN).await } => Err(Halt::Stopped),
    }
}
