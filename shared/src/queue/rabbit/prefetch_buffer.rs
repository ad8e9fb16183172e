//! What was fetched from one queue and not yet taken, and who waits for more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::delivery::RabbitDelivery;
use crate::queue::{QueueError, QueueName};

/// The near side of one queue.
#[derive(Debug)]
pub(super) struct PrefetchBuffer {
    pub(super) queue: QueueName,
    state: Mutex<State>,
    /// A message came, or an error for those who wait.
    came: Notify,
    /// Somebody began to wait.
    waits: Notify,
}

#[derive(Debug)]
struct State {
    fetched: VecDeque<Fetched>,
    /// The room of each who waits, by ticket.
    waiting: BTreeMap<u64, usize>,
    next_ticket: u64,
    nobody_since: Instant,
    /// An error, for all tickets below the number.
    failed: Option<(u64, QueueError)>,
    closed: bool,
}

#[derive(Debug)]
struct Fetched {
    delivery: RabbitDelivery,
    at: Instant,
}

impl PrefetchBuffer {
    pub(super) fn new(queue: QueueName) -> Self {
        let state = State {
            fetched: VecDeque::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            nobody_since: Instant::now(),
            failed: None,
            closed: false,
        };
        Self { queue, state: Mutex::new(state), came: Notify::new(), waits: Notify::new() }
    }

    /// The next message; waits for one. Dropping the future leaves the message here.
    pub(super) async fn take(&self, room: usize) -> Result<RabbitDelivery, QueueError> {
        if let Some(delivery) = self.try_take() {
            return Ok(delivery);
        }
        let ticket = self.begin_to_wait(room);
        loop {
            let mut came = std::pin::pin!(self.came.notified());
            // Counts as waiting from here on, so that nothing that comes after the look below is missed.
            came.as_mut().enable();
            if let Some(taken) = self.state().for_ticket(ticket.number, &self.queue) {
                return taken;
            }
            came.await;
        }
    }

    /// The next message that was fetched.
    pub(super) fn try_take(&self) -> Option<RabbitDelivery> {
        self.state().pop()
    }

    /// Keeps a message until somebody takes it.
    pub(super) fn put(&self, delivery: RabbitDelivery) {
        self.state().fetched.push_back(Fetched { delivery, at: Instant::now() });
        self.came.notify_one();
    }

    /// Tells the error to all who wait now.
    pub(super) fn fail(&self, error: QueueError) {
        let mut state = self.state();
        state.failed = Some((state.next_ticket, error));
        drop(state);
        self.came.notify_waiters();
    }

    /// Ends all waiting, and returns what nobody took.
    pub(super) fn close(&self) -> Vec<RabbitDelivery> {
        let mut state = self.state();
        state.closed = true;
        let left = state.fetched.drain(..).map(|fetched| fetched.delivery).collect();
        drop(state);
        self.came.notify_waiters();
        left
    }

    /// The smallest room of those who wait for a message that has not come.
    pub(super) fn wanted(&self) -> Option<usize> {
        let state = self.state();
        if state.fetched.is_empty() { state.waiting.values().copied().min() } else { None }
    }

    /// Returns when somebody begins to wait.
    pub(super) async fn somebody_waits(&self) {
        self.waits.notified().await;
    }

    /// How long nobody has been waiting.
    pub(super) fn idle(&self) -> Duration {
        let state = self.state();
        if state.waiting.is_empty() { state.nobody_since.elapsed() } else { Duration::ZERO }
    }

    /// When the oldest message was fetched.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.state().fetched.front().map(|fetched| fetched.at)
    }

    /// Messages that were fetched before `then`.
    pub(super) fn fetched_before(&self, then: Instant) -> Vec<RabbitDelivery> {
        let mut state = self.state();
        let old = state.fetched.partition_point(|fetched| fetched.at <= then);
        state.fetched.drain(..old).map(|fetched| fetched.delivery).collect()
    }

    fn begin_to_wait(&self, room: usize) -> Ticket<'_> {
        let mut state = self.state();
        let number = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.insert(number, room);
        drop(state);
        self.waits.notify_one();
        Ticket { buffer: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first message whose connection still lives: the broker delivers the others again.
    fn pop(&mut self) -> Option<RabbitDelivery> {
        while let Some(Fetched { delivery, .. }) = self.fetched.pop_front() {
            if delivery.is_live() {
                return Some(delivery);
            }
        }
        None
    }

    fn for_ticket(&mut self, ticket: u64, queue: &QueueName) -> Option<Result<RabbitDelivery, QueueError>> {
        if let Some(delivery) = self.pop() {
            return Some(Ok(delivery));
        }
        if self.closed {
            return Some(Err(QueueError::Closed(queue.clone())));
        }
        let (_, error) = self.failed.as_ref().filter(|(below, _)| ticket < *below)?;
        Some(Err(error.clone()))
    }
}

/// A place among those who wait.
struct Ticket<'a> {
    buffer: &'a PrefetchBuffer,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.buffer.state();
        state.waiting.remove(&self.number);
        if state.waiting.is_empty() {
            state.nobody_since = Instant::now();
        }
    }
}
