//! What cannot be done: tried again where it broke off, and put to the dead letters in the end.

use std::any::Any;
use std::panic::resume_unwind;

use valuesim_shared::control::UnixMillis;
use valuesim_shared::dead_letter::{DeadLetter, OnBadMessage};
use valuesim_shared::id::Cell;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Delivery, Queue, QueueKind, QueueName, Verdict};
use valuesim_shared::store::Store;
use valuesim_shared::task::Task;

use crate::attempt::queue_of;
use crate::error::WorkerError;
use crate::halt::Halt;
use crate::metrics::Undone;
use crate::worker::Worker;

/// How often a task may fail before it is given up: a fault of the machine does not come back so often.
const MAX_ATTEMPTS: usize = 5;

impl<Q: Queue, S: Store, O: PermitOffice> Worker<Q, S, O> {
    /// Parks a message that is no task of the run.
    pub(crate) async fn park_unfit(self, delivery: Q::Delivery, error: WorkerError) -> Result<(), Halt> {
        match &self.context.on_bad_message {
            OnBadMessage::EndProcess => Err(Halt::Failed(error)),
            OnBadMessage::DeadLetter { by } => {
                let letter = DeadLetter::new(delivery.body(), error.to_string(), by.clone());
                self.park(&letter).await?;
                let kind = Task::from_bytes(delivery.body()).ok().map(|task| task.kind);
                self.context.meter.task_undone(kind, Undone::Dead);
                Ok(delivery.ack().await?)
            }
        }
    }

    /// Puts a task into the queue of those like it: that may kill their workers, or that are for newer workers.
    pub(crate) async fn set_apart(self, lane: QueueKind, delivery: Q::Delivery) -> Result<(), Halt> {
        let queue = QueueName { run: self.context.run.manifest.run.clone(), kind: lane };
        Ok(self.context.queue.hand_back(&queue, delivery, Verdict::Unknown).await?)
    }

    /// Whether tasks that fail are tried again and then put aside, instead of ending the process.
    fn tries_again(&self) -> bool {
        matches!(self.context.on_bad_message, OnBadMessage::DeadLetter { .. })
    }

    /// Lets a task that broke off be tried again, or gives it up.
    pub(crate) async fn broke_off(
        &self,
        task: Task,
        delivery: Q::Delivery,
        panic: Box<dyn Any + Send>,
    ) -> Result<(), Halt> {
        if !self.tries_again() {
            resume_unwind(panic);
        }
        let reason = words(panic.as_ref());
        tracing::error!(run = %task.run, cell = %task.cell, reason, "a task broke off, which is a fault of this program");
        self.try_again_or_park(task, delivery, &format!("it broke off, which is a fault of this program: {reason}"))
            .await
    }

    /// Whether a task that failed is to be tried again. Where others fail as it does it is not the task's fault, and it must
    /// not lose an attempt by it: the worker leaves the run for a while.
    pub(crate) fn is_to_try_again(&self, cell: Cell) -> bool {
        self.tries_again() && self.context.failed_cells[usize::from(cell.model.0)].may_be_at_fault(cell)
    }

    /// Lets a task that failed be tried again, or gives it up.
    pub(crate) async fn try_again(&self, task: Task, delivery: Q::Delivery, error: &WorkerError) -> Result<(), Halt> {
        self.try_again_or_park(task, delivery, &error.to_string()).await
    }

    /// Publishes the task again, at the end of its queue, with the failure in its history; the last time to the dead
    /// letters.
    async fn try_again_or_park(&self, mut task: Task, delivery: Q::Delivery, reason: &str) -> Result<(), Halt> {
        let OnBadMessage::DeadLetter { by } = &self.context.on_bad_message else { return Ok(()) };
        task.history.push(format!("{} {by}: {reason}", UnixMillis::now()));
        if task.history.len() < MAX_ATTEMPTS {
            self.context.queue.publish(&queue_of(&task), task.to_bytes().into()).await?;
            self.context.meter.task_undone(Some(task.kind), Undone::Retried);
        } else {
            let reason = format!("it failed {} times, at last: {reason}", task.history.len());
            self.park(&DeadLetter::new(&task.to_bytes(), reason, by.clone())).await?;
            self.context.meter.task_undone(Some(task.kind), Undone::Dead);
        }
        Ok(delivery.ack().await?)
    }

    async fn park(&self, letter: &DeadLetter) -> Result<(), Halt> {
        let run = self.context.run.manifest.run.clone();
        tracing::error!(%run, reason = letter.reason, "a message goes to the dead letters");
        let dead = QueueName { run, kind: QueueKind::Dead };
        Ok(self.context.queue.publish(&dead, letter.to_bytes().into()).await?)
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}
