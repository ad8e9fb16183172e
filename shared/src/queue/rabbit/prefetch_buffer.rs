//! Messages that were fetched from one queue and not yet taken, and the callers that wait for more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::delivery::RabbitDelivery;
use crate::queue::{QueueError, QueueName};

/// The messages of one queue that this process has fetched.
#[derive(Debug)]
pub(super) struct PrefetchBuffer {
    pub(super) queue: QueueName,
    state: Mutex<State>,
    /// A message arrived, or an error for the callers that wait.
    arrived: Notify,
    /// A caller began to wait.
    demand: Notify,
}

#[derive(Debug)]
struct State {
    fetched: VecDeque<Fetched>,
    /// The room of each waiting caller, by ticket.
    waiting: BTreeMap<u64, usize>,
    next_ticket: u64,
    nobody_since: Instant,
    /// An error for all tickets below the number.
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
        Self { queue, state: Mutex::new(state), arrived: Notify::new(), demand: Notify::new() }
    }

    /// The next message; waits for one. Dropping the future loses no message.
    pub(super) async fn take(&self, room: usize) -> Result<RabbitDelivery, QueueError> {
        if let Some(delivery) = self.try_take() {
            return Ok(delivery);
        }
        let ticket = self.begin_to_wait(room);
        loop {
            let mut arrived = std::pin::pin!(self.arrived.notified());
            // Registered before the check below, so that it misses nothing that arrives after the check.
            arrived.as_mut().enable();
            if let Some(taken) = self.state().for_ticket(ticket.number, &self.queue) {
                return taken;
            }
            arrived.await;
        }
    }

    /// The next message, if one was fetched.
    pub(super) fn try_take(&self) -> Option<RabbitDelivery> {
        self.state().pop()
    }

    /// Keeps a message until somebody takes it.
    pub(super) fn put(&self, delivery: RabbitDelivery) {
        self.state().fetched.push_back(Fetched { delivery, at: Instant::now() });
        self.arrived.notify_one();
    }

    /// Fails all callers that wait now.
    pub(super) fn fail(&self, error: QueueError) {
        let mut state = self.state();
        state.failed = Some((state.next_ticket, error));
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Fails all waiting callers, and returns what nobody took.
    pub(super) fn close(&self) -> Vec<RabbitDelivery> {
        let mut state = self.state();
        state.closed = true;
        let left = state.fetched.drain(..).map(|fetched| fetched.delivery).collect();
        drop(state);
        self.arrived.notify_waiters();
        left
    }

    /// The smallest room of all callers that wait in vain for a message.
    pub(super) fn wanted(&self) -> Option<usize> {
        let state = self.state();
        if state.fetched.is_empty() { state.waiting.values().copied().min() } else { None }
    }

    /// Returns when a caller begins to wait.
    pub(super) async fn somebody_waits(&self) {
        self.demand.notified().await;
    }

    /// For how long no caller has been waiting.
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
        self.demand.notify_one();
        Ticket { buffer: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first message whose connection is still open: the broker delivers the others again.
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

/// The registration of a waiting caller.
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
