//! One attempt at a task: it leases the task's cell, executes the stage, and stops in time if it must not go on.
//!
//! An attempt stops when the worker is asked to stop, when the queue has given the task to another worker, when another
//! attempt has taken over the lease, and when it has held the task for too long. It first finishes its calls in flight and
//! stores their replies.
//!
//! ```text
//!   worker's stop ──> attempt's stop: the grace period begins ──> calls' stop: no more calls are made
//!                            ^ delivery or lease lost, held too long      ^ a call failed as the others would
//! ```

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::time::{interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::outcome::{CellOutcome, Packed, pack};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Queue, QueueError, QueueKind, QueueName};
use valuesim_shared::store::{LEASE_EXPIRY, Lease, LeaseReason, Owner, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::backpressure::ReadyCalls;
use crate::context::Context;
use crate::error::WorkerError;
use crate::halt::Halt;
use crate::next_message::NextMessage;
use crate::{cab, story};

/// How long to wait before asking again for a lease that another attempt holds.
const LEASE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long the release of a lease may take. A lease that is not released expires.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// How an attempt ended.
pub(crate) enum AttemptEnd {
    /// The task is done and its result is published.
    Done,
    /// The cell had been finished before.
    Duplicate,
    /// The attempt stopped; another one can continue.
    Stopped,
    /// The worker cannot continue.
    Failed(WorkerError),
    /// The attempt panicked, which is a bug in this program.
    Panicked(Box<dyn Any + Send>),
}

/// One attempt at a task.
pub(crate) struct Attempt<Q, S, O: PermitOffice> {
    context: Arc<Context<Q, S, O>>,
    pub(crate) task: Arc<Task>,
    owner: Owner,
}

impl<Q: Queue, S: Store, O: PermitOffice> Attempt<Q, S, O> {
    pub(crate) fn new(context: &Arc<Context<Q, S, O>>, task: Task) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let process = match &context.on_bad_message {
            OnBadMessage::DeadLetter { by } => by.as_str(),
            OnBadMessage::EndProcess => "one process",
        };
        let owner = Owner(format!("{process}/{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        Self { context: Arc::clone(context), task: Arc::new(task), owner }
    }

    /// Executes the task. `gone` completes when the queue has taken the delivery back.
    pub(crate) async fn run(
        &self,
        ready: ReadyCalls,
        (reason, gone): (LeaseReason, impl Future<Output = ()>),
        stop: &CancellationToken,
    ) -> AttemptEnd {
        let attempt_stop = stop.child_token();
        let executing = AssertUnwindSafe(self.execute(ready, reason, &attempt_stop)).catch_unwind();
        let end = tokio::select! {
            biased;
            ended = executing => match ended {
                Ok(Ok(end)) => return end,
                Ok(Err(Halt::Stopped)) => AttemptEnd::Stopped,
                Ok(Err(Halt::Failed(error))) => AttemptEnd::Failed(error),
                Err(panic) => AttemptEnd::Panicked(panic),
            },
            () = self.grace_exceeded(gone, &attempt_stop) => AttemptEnd::Stopped,
        };
        let releasing = self.context.store.release_lease(&self.task.run, self.task.cell, &self.owner);
        if !matches!(timeout(RELEASE_WITHIN, releasing).await, Ok(Ok(()))) {
            tracing::debug!(cell = %self.task.cell, "could not release the lease of a cell; it will expire");
        }
        end
    }

    /// Asks the attempt to stop when its time is up. Completes if it has not stopped by the end of the grace period.
    async fn grace_exceeded(&self, gone: impl Future<Output = ()>, attempt_stop: &CancellationToken) {
        tokio::select! {
            () = attempt_stop.cancelled() => {}
            () = gone => attempt_stop.cancel(),
            () = sleep_or_forever(self.context.hold_limits.max_hold) => attempt_stop.cancel(),
        }
        sleep_or_forever(self.context.hold_limits.grace).await;
    }

    async fn execute(
        &self,
        ready: ReadyCalls,
        reason: LeaseReason,
        attempt_stop: &CancellationToken,
    ) -> Result<AttemptEnd, Halt> {
        if reason == LeaseReason::TakeOver && self.has_backstory().await? {
            // Another attempt may be working on the CAB task under a lease, which it must keep.
            self.publish(&self.task.of_kind(TaskKind::Cab)).await?;
            return Ok(AttemptEnd::Done);
        }
        if self.lease(reason, attempt_stop).await? == Lease::Finished {
            return Ok(AttemptEnd::Duplicate);
        }
        // A failed call stops the other calls but not the attempt, which waits for those in flight without a time limit.
        let calls_stop = attempt_stop.child_token();
        let next = tokio::select! {
            biased;
            next = self.stage(ready, &calls_stop) => next?,
            never = self.keep_lease(attempt_stop) => never,
        };
        match next {
            NextMessage::Task(task) => self.publish_next_task(&task).await?,
            // The lease stays until the coordinator has the outcome in its ledger.
            NextMessage::Outcome(mut outcome) => tokio::select! {
                biased;
                published = self.publish_outcome(&mut outcome) => published?,
                never = self.keep_lease(attempt_stop) => never,
            },
        }
        Ok(AttemptEnd::Done)
    }

    /// Waits until this attempt has the lease of the cell, or the cell is finished.
    async fn lease(&self, reason: LeaseReason, attempt_stop: &CancellationToken) -> Result<Lease, Halt> {
        let Task { run, cell, .. } = &*self.task;
        loop {
            let lease = self.context.store.acquire_lease(run, *cell, &self.owner, reason).await?;
            if lease != Lease::HeldByAnother {
                return Ok(lease);
            }
            let waited = attempt_stop.run_until_cancelled(sleep(LEASE_RETRY_AFTER)).await;
            waited.ok_or(Halt::Stopped)?;
        }
    }

    /// Renews the lease. Asks the attempt to stop if another attempt has taken it over.
    async fn keep_lease<T>(&self, attempt_stop: &CancellationToken) -> T {
        let every = LEASE_EXPIRY / 3;
        let mut renewals = interval_at(tokio::time::Instant::now() + every, every);
        loop {
            renewals.tick().await;
            let renewed = self.context.store.renew_lease(&self.task.run, self.task.cell, &self.owner).await;
            if matches!(renewed, Ok(false)) {
                attempt_stop.cancel();
            }
        }
    }

    async fn stage(&self, ready: ReadyCalls, calls_stop: &CancellationToken) -> Result<NextMessage, Halt> {
        let next = match self.task.kind {
            TaskKind::Story => story::write(&self.context, &self.task, calls_stop).await,
            TaskKind::Cab => cab::answer(&self.context, &self.task, ready, calls_stop).await,
        };
        if next.is_err() {
            // The next attempt at the cell must find every reply.
            self.context.store.settle().await?;
        }
        next
    }

    /// Whether this is a story task whose backstory is already in the store.
    async fn has_backstory(&self) -> Result<bool, Halt> {
        let Task { run, cell, kind, .. } = &*self.task;
        Ok(*kind == TaskKind::Story && self.context.store.backstory(run, *cell).await?.is_some())
    }

    /// Releases the lease and then publishes the cell's next task, so that its worker need not wait for the lease.
    async fn publish_next_task(&self, task: &Task) -> Result<(), Halt> {
        self.context.store.release_lease(&task.run, task.cell, &self.owner).await?;
        self.publish(task).await
    }

    async fn publish(&self, task: &Task) -> Result<(), Halt> {
        Ok(self.context.queue.publish(&queue_of(task), Bytes::from(task.to_bytes())).await?)
    }

    async fn publish_outcome(&self, outcome: &mut CellOutcome) -> Result<(), Halt> {
        // The coordinator deletes what the store keeps of the cell: no reply may come after that.
        self.context.store.settle().await?;
        let results = QueueName { run: outcome.run.clone(), kind: QueueKind::Results };
        let queue = &self.context.queue;
        loop {
            let most = queue.most_bytes();
            let body = self.packed(outcome, most).await?;
            match queue.publish(&results, body).await {
                // The broker has just told how small its messages are.
                Err(QueueError::TooLarge { .. }) if queue.most_bytes() < most => {}
                published => return Ok(published?),
            }
        }
    }

    /// The message of an outcome, which has at most `most` bytes; the rest of a longer one goes into the store.
    async fn packed(&self, outcome: &mut CellOutcome, most: usize) -> Result<Bytes, Halt> {
        match pack(outcome, most) {
            Packed::Message(body) => Ok(body),
            Packed::Parts(notice, parts) => {
                let store = &self.context.store;
                store.put_outcome_parts(&outcome.run, outcome.cell, &notice.digest, &parts).await?;
                Ok(Bytes::from(notice.to_bytes()))
            }
        }
    }
}

/// The queue for a task of this kind and model.
pub(crate) fn queue_of(task: &Task) -> QueueName {
    let kind = match task.kind {
        TaskKind::Story => QueueKind::Story(task.cell.model),
        TaskKind::Cab => QueueKind::Cab(task.cell.model),
    };
    QueueName { run: task.run.clone(), kind }
}

/// Sleeps for `limit`, or forever if there is none.
async fn sleep_or_forever(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}
