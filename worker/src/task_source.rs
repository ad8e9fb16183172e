//! The source of the tasks for one model: decides which queue comes first, and which tasks belong in another queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::id::ModelId;
use valuesim_shared::permit::{PermitDesk as _, PermitOffice};
use valuesim_shared::queue::{Delivery, Queue, QueueKind, QueueName};
use valuesim_shared::task::{Task, TaskError, TaskKind};

use crate::backpressure::{Backpressure, ReadyCalls};
use crate::context::Context;
use crate::error::WorkerError;
use crate::idle_timer::IdleTimer;
use crate::run::Run;

/// The most story tasks to fetch together: enough to hide the latency of the broker, few enough to leave some for others.
const MAX_STORIES_AT_ONCE: usize = 300;

/// How far ahead of its pace a worker may fetch CAB tasks. Opening a consumer costs the broker more than delivering a task,
/// so a fast worker fetches more at once; one whose cells take seconds must leave them to others.
const FETCHED_AHEAD: Duration = Duration::from_millis(100);

/// How long to wait for a CAB task, which goes first, before a story task is taken. A broker that has one delivers it sooner.
const CAB_HEAD_START: Duration = Duration::from_millis(5);

/// How long to assume that there is no CAB task after none has arrived.
const NO_CAB_FOR: Duration = Duration::from_millis(50);

/// A task that was delivered this often before, and never finished, goes into quarantine: it may have killed its workers.
const QUARANTINE_AFTER: u32 = 3;

/// A task that was delivered this often before is given up.
const MAX_DELIVERIES: u32 = 8;

/// What came from a queue.
pub(crate) enum Taken<D> {
    Task(Work<D>),
    /// A message that is no task of this run, and why.
    Bad(D, WorkerError),
    /// A task that is not to be done here and now, and the queue where it belongs.
    Redirect(D, QueueKind),
}

/// Whether the broker has CAB tasks, as far as is known.
#[derive(Debug, Default)]
struct CabTasks {
    /// The end of the present wait for one, if there is a wait.
    until: Option<Instant>,
    /// The end of the last wait in which none arrived.
    none_at: Option<Instant>,
}

impl CabTasks {
    fn may_be_there(&self) -> bool {
        self.none_at.is_none_or(|at| at.elapsed() >= NO_CAB_FOR)
    }

    fn waited_for_until(&mut self) -> Instant {
        *self.until.get_or_insert_with(|| Instant::now() + CAB_HEAD_START)
    }

    fn one_came(&mut self) {
        self.until = None;
    }

    fn none_came(&mut self) {
        *self = Self { until: None, none_at: Some(Instant::now()) };
    }
}

/// A task with its delivery and the calls that it brings.
pub(crate) struct Work<D> {
    pub(crate) task: Task,
    pub(crate) delivery: D,
    /// The queue from which it was taken.
    pub(crate) queue: QueueName,
    pub(crate) ready: ReadyCalls,
    /// Held by a task from quarantine, of which the worker does one at a time.
    pub(crate) _quarantine_slot: Option<OwnedSemaphorePermit>,
}

/// A delivery, its queue, and the slot of a task from quarantine.
type Fetched<'a, D> = (D, &'a QueueName, Option<OwnedSemaphorePermit>);

/// The source of the tasks for one model.
pub(crate) struct TaskSource<'a, Q> {
    queue: &'a Q,
    run: &'a Run,
    model: ModelId,
    idle_timer: &'a IdleTimer,
    cab: QueueName,
    story: QueueName,
    quarantine: QueueName,
    /// The queues for tasks of later versions than the first, which workers of older releases do not read.
    later_versions: Vec<QueueName>,
    newest_task: u16,
    cab_tasks: Mutex<CabTasks>,
    /// One slot for tasks from quarantine. `None` if the queues do not outlive the process: then no task is ever suspect.
    quarantine_slot: Option<Arc<Semaphore>>,
    backpressure: Backpressure,
}

impl<'a, Q: Queue> TaskSource<'a, Q> {
    pub(crate) fn new<S, O: PermitOffice>(context: &'a Context<Q, S, O>, model: ModelId) -> Self {
        let desk = context.desk(model).clone();
        let evidence = Arc::clone(&context.evidence[usize::from(model.0)]);
        let name = |kind| QueueName { run: context.run.manifest.run.clone(), kind };
        let has_broker = matches!(context.on_bad_message, OnBadMessage::DeadLetter { .. });
        Self {
            queue: &context.queue,
            run: &context.run,
            model,
            idle_timer: &context.meter.idle_timers()[usize::from(model.0)],
            cab: name(QueueKind::Cab(model)),
            story: name(QueueKind::Story(model)),
            quarantine: name(QueueKind::Quarantine(model)),
            later_versions: (2..=context.newest_task)
                .map(|version| name(QueueKind::NextVersion(model, version)))
                .collect(),
            newest_task: context.newest_task,
            cab_tasks: Mutex::default(),
            quarantine_slot: has_broker.then(|| Arc::new(Semaphore::new(1))),
            // Calls that are held use no place in flight.
            backpressure: Backpressure::new(
                move || desk.capacity() as usize + evidence.held() as usize,
                context.run.warm_ups(model),
            ),
        }
    }

    /// Waits for room and takes the next task, CAB tasks before story tasks. Dropping the future loses no task.
    pub(crate) async fn next(&self) -> Result<Taken<Q::Delivery>, WorkerError> {
        let (delivery, queue, quarantine_slot) = match self.fetched() {
            Some((delivery, queue)) => (delivery, queue, None),
            None => self.fetch().await?,
        };
        let task = match self.read(&delivery) {
            Ok(task) => task,
            // Workers of the next release will execute the next version; nobody will execute any other.
            Err(WorkerError::Task(TaskError::Version(version)))
                if self.quarantine_slot.is_some() && version.checked_sub(1) == Some(self.newest_task) =>
            {
                return Ok(Taken::Redirect(delivery, QueueKind::NextVersion(self.model, version)));
            }
            Err(error) => return Ok(Taken::Bad(delivery, error)),
        };
        // A task of the next version is never quarantined: workers of older releases, which cannot read it, would take it
        // from quarantine and put it back.
        let may_be_suspect = self.quarantine_slot.is_some()
            && quarantine_slot.is_none()
            && !matches!(queue.kind, QueueKind::NextVersion(..));
        if may_be_suspect && delivery.deliveries_before() >= QUARANTINE_AFTER {
            return Ok(Taken::Redirect(delivery, QueueKind::Quarantine(self.model)));
        }
        let calls = match task.kind {
            TaskKind::Story => 1,
            TaskKind::Cab => self.run.first_calls(task.cell.fold),
        };
        let (queue, ready) = (queue.clone(), self.backpressure.add(calls));
        Ok(Taken::Task(Work { task, delivery, queue, ready, _quarantine_slot: quarantine_slot }))
    }

    /// A task that has already been fetched, if there is room for it.
    fn fetched(&self) -> Option<(Q::Delivery, &QueueName)> {
        if !self.backpressure.has_room() {
            return None;
        }
        if let Some(cab) = self.queue.try_take(&self.cab) {
            self.cab_tasks().one_came();
            return Some((cab, &self.cab));
        }
        let story = if self.may_be_cabs() { None } else { self.queue.try_take(&self.story) };
        Some((story?, &self.story))
    }

    /// Whether the broker may have CAB tasks, as far as is known. A queue in memory always knows at once.
    fn may_be_cabs(&self) -> bool {
        self.quarantine_slot.is_some() && self.cab_tasks().may_be_there()
    }

    fn cab_tasks(&self) -> MutexGuard<'_, CabTasks> {
        self.cab_tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the number of calls is below the low mark, and then for the next task.
    async fn fetch(&self) -> Result<Fetched<'_, Q::Delivery>, WorkerError> {
        let free_calls = self.backpressure.room().await;
        if let Some((delivery, queue)) = self.fetched() {
            return Ok((delivery, queue, None));
        }
        let _idle = self.idle_timer.start();
        // One more than fits, so that it is at hand when there is room.
        let cells = free_calls.max(self.calls_soon()).div_ceil(self.run.most_first_calls().max(1)) + 1;
        if self.may_be_cabs() {
            // The deadline outlives this future, which is dropped and created again whenever a task ends.
            let head_start = self.cab_tasks().waited_for_until();
            if let Ok(cab) = timeout_at(head_start, self.queue.take(&self.cab, cells)).await {
                self.cab_tasks().one_came();
                return Ok((cab?, &self.cab, None));
            }
            self.cab_tasks().none_came();
        }
        Ok(tokio::select! {
            biased;
            suspect = self.suspect() => {
                let (delivery, slot) = suspect?;
                (delivery, &self.quarantine, Some(slot))
            }
            later = self.later_version(cells) => {
                let (delivery, queue) = later?;
                (delivery, queue, None)
            }
            cab = self.queue.take(&self.cab, cells) => (cab?, &self.cab, None),
            story = self.queue.take(&self.story, free_calls.min(MAX_STORIES_AT_ONCE)) => (story?, &self.story, None),
        })
    }

    /// How many calls will end within [`FETCHED_AHEAD`] at the present pace.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand at most")]
    fn calls_soon(&self) -> usize {
        (self.backpressure.calls_per_second() * FETCHED_AHEAD.as_secs_f64()) as usize
    }

    /// The next task from quarantine, once this worker has no other one.
    async fn suspect(&self) -> Result<(Q::Delivery, OwnedSemaphorePermit), WorkerError> {
        let Some(slot) = &self.quarantine_slot else { return std::future::pending().await };
        let slot = Arc::clone(slot).acquire_owned().await.expect("the semaphore is never closed");
        Ok((self.queue.take(&self.quarantine, 1).await?, slot))
    }

    /// The next task of a later version, if this worker can execute any.
    async fn later_version(&self, room: usize) -> Result<(Q::Delivery, &QueueName), WorkerError> {
        if self.later_versions.is_empty() {
            return std::future::pending().await;
        }
        let take = |queue| Box::pin(async move { Ok((self.queue.take(queue, room).await?, queue)) });
        select_all(self.later_versions.iter().map(take)).await.0
    }

    fn read(&self, delivery: &Q::Delivery) -> Result<Task, WorkerError> {
        let task = Task::read(delivery.body(), self.newest_task)?;
        self.run.check(&task, self.model)?;
        let times = delivery.deliveries_before();
        if self.quarantine_slot.is_some() && times >= MAX_DELIVERIES {
            return Err(WorkerError::KillsItsWorkers { cell: task.cell, times });
        }
        Ok(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_story_task_is_delayed_once_however_often_the_wait_restarts() {
        let mut cabs = CabTasks::default();
        let until = cabs.waited_for_until();
        assert_eq!(until, Instant::now() + CAB_HEAD_START);
        tokio::time::advance(CAB_HEAD_START / 2).await;
        assert_eq!(cabs.waited_for_until(), until);
        cabs.none_came();
        assert!(!cabs.may_be_there());
        tokio::time::advance(NO_CAB_FOR).await;
        assert!(cabs.may_be_there());
        assert_eq!(cabs.waited_for_until(), Instant::now() + CAB_HEAD_START);
        cabs.one_came();
        assert!(cabs.may_be_there());
        tokio::time::advance(CAB_HEAD_START * 2).await;
        assert_eq!(cabs.waited_for_until(), Instant::now() + CAB_HEAD_START);
    }
}
