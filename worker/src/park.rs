//! What cannot be done: tried again where it broke off, and put to the dead letters in the end.

use std::any::Any;
use std::panic::resume_unwind;

use valuesim_shared::dead::{DeadLetter, Unfit};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::{Delivery, Lane, Queue, QueueName};
use valuesim_shared::store::Store;
use valuesim_shared::task::Task;

use crate::metrics::Undone;
use crate::worker::{Halt, Worker, WorkerError, queue_of};

/// How often a task may break off before it is given up: a fault of the machine does not come back so often.
const MOST_ATTEMPTS: usize = 5;

impl<Q: Queue, S: Store, O: PermitOffice> Worker<Q, S, O> {
    /// Parks a message that is no task of the run.
    pub(crate) async fn park_unfit(self, delivery: Q::Delivery, error: WorkerError) -> Result<(), Halt> {
        match &self.shared.unfit {
            Unfit::EndsTheProcess => Err(Halt::Failed(error)),
            Unfit::IsParked { by } => {
                let letter = DeadLetter::new(delivery.body(), error.to_string(), by.clone());
                self.park(&letter).await?;
                self.shared.meter.task_undone(None, Undone::Dead);
                Ok(delivery.ack().await?)
            }
        }
    }

    /// Lets a task that broke off be tried again, at the end of its queue, or gives it up.
    pub(crate) async fn broke_off(
        &self,
        mut task: Task,
        delivery: Q::Delivery,
        panic: Box<dyn Any + Send>,
    ) -> Result<(), Halt> {
        let Unfit::IsParked { by } = &self.shared.unfit else { resume_unwind(panic) };
        let reason = words(panic.as_ref());
        tracing::error!(run = %task.run, cell = %task.cell, reason, "a task broke off, which is a fault of this program");
        task.history.push(format!("{by}: {reason}"));
        if task.history.len() < MOST_ATTEMPTS {
            self.shared.queue.publish(&queue_of(&task), task.to_bytes().into()).await?;
            self.shared.meter.task_undone(Some(task.kind), Undone::Retried);
        } else {
            let reason = format!("it broke off {MOST_ATTEMPTS} times, at last: {reason}");
            self.park(&DeadLetter::new(&task.to_bytes(), reason, by.clone())).await?;
            self.shared.meter.task_undone(Some(task.kind), Undone::Dead);
        }
        Ok(delivery.ack().await?)
    }

    async fn park(&self, letter: &DeadLetter) -> Result<(), Halt> {
        let run = self.shared.run.manifest.run.clone();
        tracing::error!(%run, reason = letter.reason, "a message goes to the dead letters");
        let dead = QueueName { run, lane: Lane::Dead };
        Ok(self.shared.queue.publish(&dead, letter.to_bytes().into()).await?)
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}
