//! Where the tasks for one model are taken: which queue first, and which tasks are set apart.

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
use crate::listening::Ear;
use crate::run::Run;

/// How many story tasks are fetched together at most: enough to hide the way to the broker, few enough to share.
const MAX_STORIES_AT_ONCE: usize = 300;

/// CAB tasks for so long are fetched together at most, beyond what fits: opening a consumer costs the broker more than
/// delivering a task, and a worker whose cells take seconds must not keep them from others.
const FETCHED_AHEAD: Duration = Duration::from_millis(100);

/// CAB tasks come first, and so long they are waited for before a story task is taken: a broker that has one delivers it sooner.
const CAB_HEAD_START: Duration = Duration::from_millis(5);

/// That there is no CAB task is believed for so long.
const NO_CAB_FOR: Duration = Duration::from_millis(50);

/// A task that was delivered so often before, and never finished, is done apart from others: whoever had it may have died
/// of it.
const SUSPECT_AFTER: u32 = 3;

/// A task that was delivered so often before is given up.
const MAX_DELIVERIES: u32 = 8;

/// What came from a queue.
pub(crate) enum Taken<D> {
    Task(Work<D>),
    /// No task of this run, and why.
    Bad(D, WorkerError),
    /// A task that is not done here and now, and the queue where it belongs.
    SetApart(D, QueueKind),
}

/// Whether the broker has CAB tasks, as far as it is known.
#[derive(Debug, Default)]
struct CabTasks {
    /// Until when one is waited for, while one is.
    until: Option<Instant>,
    /// When none had come for so long.
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
    /// From which it was taken.
    pub(crate) queue: QueueName,
    pub(crate) ready: ReadyCalls,
    /// The place of a suspect, of which there is one.
    pub(crate) _alone: Option<OwnedSemaphorePermit>,
}

/// A delivery, its queue, and the place of a suspect.
type Fetched<'a, D> = (D, &'a QueueName, Option<OwnedSemaphorePermit>);

/// Where the tasks for one model are taken.
pub(crate) struct TaskSource<'a, Q> {
    queue: &'a Q,
    run: &'a Run,
    model: ModelId,
    ear: &'a Ear,
    cab: QueueName,
    story: QueueName,
    suspects: QueueName,
    /// Tasks of later versions than the first, which workers of older releases leave to others.
    later: Vec<QueueName>,
    newest_task: u16,
    /// What is known of the broker's CAB tasks.
    cab_tasks: Mutex<CabTasks>,
    /// One place for suspects; none where the queues do not outlive the process, so that nothing is ever suspected.
    alone: Option<Arc<Semaphore>>,
    backpressure: Backpressure,
}

impl<'a, Q: Queue> TaskSource<'a, Q> {
    pub(crate) fn new<S, O: PermitOffice>(context: &'a Context<Q, S, O>, model: ModelId) -> Self {
        let desk = context.desk(model).clone();
        let name = |lane| QueueName { run: context.run.manifest.run.clone(), kind: lane };
        let alone =
            matches!(context.on_bad_message, OnBadMessage::DeadLetter { .. }).then(|| Arc::new(Semaphore::new(1)));
        Self {
            queue: &context.queue,
            run: &context.run,
            model,
            ear: &context.meter.ears()[usize::from(model.0)],
            cab: name(QueueKind::Cab(model)),
            story: name(QueueKind::Story(model)),
            suspects: name(QueueKind::Quarantine(model)),
            later: (2..=context.newest_task).map(|version| name(QueueKind::NextVersion(model, version))).collect(),
            newest_task: context.newest_task,
            cab_tasks: Mutex::default(),
            alone,
            backpressure: Backpressure::new(move || desk.capacity() as usize),
        }
    }

    /// The next task once there is room for its calls; CAB tasks before story tasks. Dropping the future loses no task.
    pub(crate) async fn next(&self) -> Result<Taken<Q::Delivery>, WorkerError> {
        let (delivery, queue, alone) = match self.fetched() {
            Some((delivery, queue)) => (delivery, queue, None),
            None => self.fetch().await?,
        };
        let task = match self.read(&delivery) {
            Ok(task) => task,
            // The next release's workers come with it; whatever lies beyond that nobody will do.
            Err(WorkerError::Task(TaskError::Version(version)))
                if self.alone.is_some() && version.checked_sub(1) == Some(self.newest_task) =>
            {
                return Ok(Taken::SetApart(delivery, QueueKind::NextVersion(self.model, version)));
            }
            Err(error) => return Ok(Taken::Bad(delivery, error)),
        };
        // One of the next version stays in its queue: workers of this release cannot tell it from others among the suspects,
        // and would put it back.
        let may_be_suspect =
            self.alone.is_some() && alone.is_none() && !matches!(queue.kind, QueueKind::NextVersion(..));
        if may_be_suspect && delivery.deliveries_before() >= SUSPECT_AFTER {
            return Ok(Taken::SetApart(delivery, QueueKind::Quarantine(self.model)));
        }
        let calls = match task.kind {
            TaskKind::Story => 1,
            TaskKind::Cab => self.run.first_calls(task.cell.fold),
        };
        let (queue, ready) = (queue.clone(), self.backpressure.add(calls));
        Ok(Taken::Task(Work { task, delivery, queue, ready, _alone: alone }))
    }

    /// A task that is here and has room.
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

    /// Whether the broker may have CAB tasks, as far as it is known. A queue in memory is asked at once.
    fn may_be_cabs(&self) -> bool {
        self.alone.is_some() && self.cab_tasks().may_be_there()
    }

    fn cab_tasks(&self) -> MutexGuard<'_, CabTasks> {
        self.cab_tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task that comes once there is much room.
    async fn fetch(&self) -> Result<Fetched<'_, Q::Delivery>, WorkerError> {
        let free_calls = self.backpressure.room().await;
        if let Some((delivery, queue)) = self.fetched() {
            return Ok((delivery, queue, None));
        }
        let _listening = self.ear.listen();
        // One more than fits, to have it at hand.
        let cells = free_calls.max(self.calls_soon()).div_ceil(self.run.most_first_calls().max(1)) + 1;
        if self.may_be_cabs() {
            // The moment outlives this future, which is dropped and made anew whenever a task ends.
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
                let (delivery, place) = suspect?;
                (delivery, &self.suspects, Some(place))
            }
            later = self.later(cells) => {
                let (delivery, queue) = later?;
                (delivery, queue, None)
            }
            cab = self.queue.take(&self.cab, cells) => (cab?, &self.cab, None),
            story = self.queue.take(&self.story, free_calls.min(MAX_STORIES_AT_ONCE)) => (story?, &self.story, None),
        })
    }

    /// How many calls will end soon, at the pace so far.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand at most")]
    fn calls_soon(&self) -> usize {
        (self.backpressure.calls_per_second() * FETCHED_AHEAD.as_secs_f64()) as usize
    }

    /// The next suspect, once there is none here.
    async fn suspect(&self) -> Result<(Q::Delivery, OwnedSemaphorePermit), WorkerError> {
        let Some(alone) = &self.alone else { return std::future::pending().await };
        let place = Arc::clone(alone).acquire_owned().await.expect("the semaphore is never closed");
        Ok((self.queue.take(&self.suspects, 1).await?, place))
    }

    /// The next task of a later version, where such are done.
    async fn later(&self, room: usize) -> Result<(Q::Delivery, &QueueName), WorkerError> {
        if self.later.is_empty() {
            return std::future::pending().await;
        }
        let takes =
            self.later.iter().map(|queue| Box::pin(async move { Ok((self.queue.take(queue, room).await?, queue)) }));
        select_all(takes).await.0
    }

    fn read(&self, delivery: &Q::Delivery) -> Result<Task, WorkerError> {
        let task = Task::read(delivery.body(), self.newest_task)?;
        self.run.check(&task, self.model)?;
        let times = delivery.deliveries_before();
        if self.alone.is_some() && times >= MAX_DELIVERIES {
            return Err(WorkerError::KillsItsWorkers { cell: task.cell, times });
        }
        Ok(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_story_task_is_put_off_once_however_often_the_wait_begins_anew() {
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
