//! Tasks that fail are retried; those that keep failing, and messages that are no task of the run, become dead letters.

use std::any::Any;
use std::panic::resume_unwind;

use valuesim_shared::control::UnixMillis;
use valuesim_shared::dead_letter::{DeadLetter, OnBadMessage};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Delivery, Queue, QueueKind, QueueName, Verdict};
use valuesim_shared::store::Store;
use valuesim_shared::task::Task;

use crate::attempt::queue_of;
use crate::error::WorkerError;
use crate::halt::Halt;
use crate::metrics::NotDone;
use crate::worker::Worker;

/// How often a task may fail before it becomes a dead letter. A fault of the machine does not recur this often.
const MAX_ATTEMPTS: usize = 5;

impl<Q: Queue, S: Store, O: PermitOffice> Worker<Q, S, O> {
    /// Makes a message that is no task of the run a dead letter.
    pub(crate) async fn reject(self, delivery: Q::Delivery, error: WorkerError) -> Result<(), Halt> {
        match &self.context.on_bad_message {
            OnBadMessage::EndProcess => Err(Halt::Failed(error)),
            OnBadMessage::DeadLetter { by } => {
                let letter = DeadLetter::new(delivery.body(), error.to_string(), by.clone());
                self.dead_letter(&letter).await?;
                let kind = Task::from_bytes(delivery.body()).ok().map(|task| task.kind);
                self.context.meter.task_not_done(kind, NotDone::Dead);
                Ok(delivery.ack().await?)
            }
        }
    }

    /// Moves a task to another queue of the run: the quarantine queue, or the queue for newer workers.
    pub(crate) async fn move_to(self, kind: QueueKind, delivery: Q::Delivery) -> Result<(), Halt> {
        let queue = QueueName { run: self.context.run.manifest.run.clone(), kind };
        Ok(self.context.queue.hand_back(&queue, delivery, Verdict::Unknown).await?)
    }

    /// Whether failed tasks are retried and finally become dead letters. Otherwise a failure ends the process.
    pub(crate) fn retries(&self) -> bool {
        matches!(self.context.on_bad_message, OnBadMessage::DeadLetter { .. })
    }

    /// Retries a task that panicked, or gives it up.
    pub(crate) async fn retry_after_panic(
        &self,
        task: Task,
        delivery: Q::Delivery,
        panic: Box<dyn Any + Send>,
    ) -> Result<(), Halt> {
        if !self.retries() {
            resume_unwind(panic);
        }
        let reason = panic_message(panic.as_ref());
        tracing::error!(run = %task.run, cell = %task.cell, reason, "a task panicked, which is a bug in this program");
        self.retry_or_dead_letter(task, delivery, &format!("it panicked, which is a bug in this program: {reason}"))
            .await
    }

    /// Retries a task that failed, or gives it up.
    pub(crate) async fn retry(&self, task: Task, delivery: Q::Delivery, error: &WorkerError) -> Result<(), Halt> {
        self.retry_or_dead_letter(task, delivery, &error.to_string()).await
    }

    /// Publishes the task again, at the end of its queue and with the failure in its history. After the last attempt it
    /// becomes a dead letter.
    async fn retry_or_dead_letter(&self, mut task: Task, delivery: Q::Delivery, reason: &str) -> Result<(), Halt> {
        let OnBadMessage::DeadLetter { by } = &self.context.on_bad_message else { return Ok(()) };
        task.history.push(format!("{} {by}: {reason}", UnixMillis::now()));
        if task.history.len() < MAX_ATTEMPTS {
            self.context.queue.publish(&queue_of(&task), task.to_bytes().into()).await?;
            self.context.meter.task_not_done(Some(task.kind), NotDone::Retried);
        } else {
            let reason = format!("it failed {} times; the last failure: {reason}", task.history.len());
            self.dead_letter(&DeadLetter::new(&task.to_bytes(), reason, by.clone())).await?;
            self.context.meter.task_not_done(Some(task.kind), NotDone::Dead);
        }
        Ok(delivery.ack().await?)
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<(), Halt> {
        let run = self.context.run.manifest.run.clone();
        tracing::error!(%run, reason = letter.reason, "a message becomes a dead letter");
        let dead = QueueName { run, kind: QueueKind::Dead };
        Ok(self.context.queue.publish(&dead, letter.to_bytes().into()).await?)
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it left no message".to_owned())
}
