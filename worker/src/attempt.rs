//! One attempt at a task: leases the task's cell, does its stage, and stops in time if it must not go on.
//!
//! It stops, with its calls in flight finished and their replies kept, when the worker is to stop, when the queue has given
//! the task to somebody else, when another attempt has taken the cell over, and when the task was held for too long.
//!
//! ```text
//!   worker's stop ──> attempt's stop: its time runs out ──> calls' stop: no more are made
//!                          ^ gone, held too long, lease lost      ^ one failed, and the others would too
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
use valuesim_shared::outcome::CellOutcome;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Queue, QueueKind, QueueName};
use valuesim_shared::store::{LEASE_EXPIRY, Lease, LeaseReason, Owner, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::backpressure::ReadyCalls;
use crate::context::Context;
use crate::error::WorkerError;
use crate::halt::Halt;
use crate::next_message::Next;
use crate::{cab, story};

/// How long to wait before asking again for a lease that another attempt has.
const LEASE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long giving a lease back may take: one that is not given back expires.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// How an attempt ended.
pub(crate) enum End {
    /// What it led to is safe.
    Done,
    /// The cell was finished before.
    Duplicate,
    /// It is to be gone on with, by whoever gets it.
    Stopped,
    /// The worker cannot go on.
    Failed(WorkerError),
    /// It broke off because of a fault of this program.
    BrokeOff(Box<dyn Any + Send>),
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
        let who = match &context.on_bad_message {
            OnBadMessage::DeadLetter { by } => by.as_str(),
            OnBadMessage::EndProcess => "one process",
        };
        let owner = Owner(format!("{who}/{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        Self { context: Arc::clone(context), task: Arc::new(task), owner }
    }

    /// Does the task. `gone` returns when the queue has taken it back.
    pub(crate) async fn run(
        &self,
        ready: ReadyCalls,
        (reason, gone): (LeaseReason, impl Future<Output = ()>),
        halt: &CancellationToken,
    ) -> End {
        let own = halt.child_token();
        let doing = AssertUnwindSafe(self.lease_and_do(ready, reason, &own)).catch_unwind();
        let end = tokio::select! {
            biased;
            done = doing => match done {
                Ok(Ok(end)) => return end,
                Ok(Err(Halt::Stopped)) => End::Stopped,
                Ok(Err(Halt::Failed(error))) => End::Failed(error),
                Err(panic) => End::BrokeOff(panic),
            },
            () = self.out_of_time(gone, &own) => End::Stopped,
        };
        let releasing = self.context.store.release_lease(&self.task.run, self.task.cell, &self.owner);
        if !matches!(timeout(RELEASE_WITHIN, releasing).await, Ok(Ok(()))) {
            tracing::debug!(cell = %self.task.cell, "could not release the lease of a cell; it expires");
        }
        end
    }

    /// Asks the attempt to stop when its time is over, and returns when it has not stopped within the grace period.
    async fn out_of_time(&self, gone: impl Future<Output = ()>, own: &CancellationToken) {
        tokio::select! {
            () = own.cancelled() => {}
            () = gone => own.cancel(),
            () = wait_for(self.context.keeping.at_most) => own.cancel(),
        }
        wait_for(self.context.keeping.grace).await;
    }

    async fn lease_and_do(&self, ready: ReadyCalls, reason: LeaseReason, own: &CancellationToken) -> Result<End, Halt> {
        if reason == LeaseReason::TakeOver && self.is_told().await? {
            // Another attempt may be working on its CAB task under a lease, which it keeps.
            self.publish(&self.task.of_kind(TaskKind::Cab)).await?;
            return Ok(End::Done);
        }
        if self.lease(reason, own).await? == Lease::Finished {
            return Ok(End::Duplicate);
        }
        // A call that fails stops the others, and not the attempt: those in flight are waited for, however long they take.
        let calls = own.child_token();
        let next = tokio::select! {
            biased;
            next = self.stage(ready, &calls) => next?,
            never = self.keep_lease(own) => never,
        };
        match next {
            Next::Task(task) => self.send_on(&task).await?,
            // The lease stays until the coordinator has the outcome in its ledger.
            Next::Outcome(outcome) => tokio::select! {
                biased;
                sent = self.send_in(&outcome) => sent?,
                never = self.keep_lease(own) => never,
            },
        }
        Ok(End::Done)
    }

    /// Waits until the cell is this attempt's, or finished.
    async fn lease(&self, reason: LeaseReason, own: &CancellationToken) -> Result<Lease, Halt> {
        let Task { run, cell, .. } = &*self.task;
        loop {
            let lease = self.context.store.acquire_lease(run, *cell, &self.owner, reason).await?;
            if lease != Lease::HeldByAnother {
                return Ok(lease);
            }
            let again = own.run_until_cancelled(sleep(LEASE_AGAIN_AFTER)).await;
            again.ok_or(Halt::Stopped)?;
        }
    }

    /// Renews the lease; asks the attempt to stop if another attempt has it.
    async fn keep_lease<T>(&self, own: &CancellationToken) -> T {
        let every = LEASE_EXPIRY / 3;
        let mut renewals = interval_at(tokio::time::Instant::now() + every, every);
        loop {
            renewals.tick().await;
            let renewed = self.context.store.renew_lease(&self.task.run, self.task.cell, &self.owner).await;
            if matches!(renewed, Ok(false)) {
                own.cancel();
            }
        }
    }

    async fn stage(&self, ready: ReadyCalls, calls: &CancellationToken) -> Result<Next, Halt> {
        let next = match self.task.kind {
            TaskKind::Story => story::write(&self.context, &self.task, calls).await,
            TaskKind::Cab => cab::answer(&self.context, &self.task, ready, calls).await,
        };
        if next.is_err() {
            // Whoever goes on with the cell finds every reply.
            self.context.store.settle().await?;
        }
        next
    }

    /// Whether this is a story task whose backstory is there.
    async fn is_told(&self) -> Result<bool, Halt> {
        let Task { run, cell, kind, .. } = &*self.task;
        Ok(*kind == TaskKind::Story && self.context.store.backstory(run, *cell).await?.is_some())
    }

    /// Lets the cell go, and sends its next task: whoever gets that need not wait for the cell.
    async fn send_on(&self, task: &Task) -> Result<(), Halt> {
        self.context.store.release_lease(&task.run, task.cell, &self.owner).await?;
        self.publish(task).await
    }

    async fn publish(&self, task: &Task) -> Result<(), Halt> {
        Ok(self.context.queue.publish(&queue_of(task), Bytes::from(task.to_bytes())).await?)
    }

    async fn send_in(&self, outcome: &CellOutcome) -> Result<(), Halt> {
        let body = serde_json::to_vec(outcome).expect("an outcome can be written as JSON");
        let results = QueueName { run: outcome.run.clone(), kind: QueueKind::Results };
        Ok(self.context.queue.publish(&results, Bytes::from(body)).await?)
    }
}

/// The queue in which a task waits.
pub(crate) fn queue_of(task: &Task) -> QueueName {
    let lane = match task.kind {
        TaskKind::Story => QueueKind::Story(task.cell.model),
        TaskKind::Cab => QueueKind::Cab(task.cell.model),
    };
    QueueName { run: task.run.clone(), kind: lane }
}

/// For ever, where there is no limit.
async fn wait_for(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}
