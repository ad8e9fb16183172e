//! One connection from opening to loss: its channels, and which queues were declared on it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, Event};
use tokio::time::{Duration, Instant, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::error::{BrokerError, is_of_a_channel, said};
use super::topology;
use crate::queue::QueueName;

/// How often the status of a connection is checked, in addition to listening to its events.
const LOOK: Duration = Duration::from_secs(1);

/// How long the broker may take to answer a request: a node of a cluster that lost a queue's leader drops some requests
/// without notice. Busy nodes take a second or two.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long to wait before a queue that is gone is declared again: RabbitMQ 3.10 may refuse a queue that is declared while
/// its deletion is still in progress, until the broker is restarted (`cluster_not_formed`).
const REST: Duration = Duration::from_millis(500);

/// When queues went missing, or may have, on any connection.
#[derive(Debug, Default)]
pub(super) struct Missed(Mutex<HashMap<QueueName, Instant>>);

impl Missed {
    fn note(&self, queue: &QueueName) {
        self.lock().insert(queue.clone(), Instant::now());
    }

    /// Waits until the queue may be declared again.
    async fn rest(&self, queue: &QueueName) {
        let missed = self.lock().get(queue).copied();
        if let Some(at) = missed {
            sleep_until(at + REST).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to the broker.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    declared: Mutex<HashSet<QueueName>>,
    missed: Arc<Missed>,
    declaring: tokio::sync::Mutex<()>,
    confirming: tokio::sync::Mutex<Option<Arc<Channel>>>,
    blocked: Mutex<Option<String>>,
    gone: CancellationToken,
}

impl Session {
    pub(super) fn new(connection: Connection, missed: Arc<Missed>) -> Arc<Self> {
        Arc::new(Self {
            connection,
            declared: Mutex::default(),
            missed,
            declaring: tokio::sync::Mutex::default(),
            confirming: tokio::sync::Mutex::default(),
            blocked: Mutex::default(),
            gone: CancellationToken::new(),
        })
    }

    /// A channel of the caller's own.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        Ok(self.within(ANSWER_WITHIN, self.connection.create_channel()).await??)
    }

    /// The answer to a request on this connection. A broker that blocks publishers reads nothing else on the connection
    /// either, so time while it is blocked does not count.
    pub(super) async fn within<T>(&self, limit: Duration, request: impl Future<Output = T>) -> Result<T, BrokerError> {
        let mut request = std::pin::pin!(request);
        loop {
            match timeout(limit, &mut request).await {
                Ok(answer) => return Ok(answer),
                Err(_) if self.blocked().is_some() => {}
                Err(_) => return Err(BrokerError::Passing(format!("no answer within {} s", limit.as_secs()))),
            }
        }
    }

    /// The channel for publishing, with publisher confirms.
    pub(super) async fn confirming(&self) -> Result<Arc<Channel>, BrokerError> {
        let mut confirming = self.confirming.lock().await;
        if let Some(channel) = confirming.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(Arc::clone(channel));
        }
        let channel = self.channel().await?;
        self.within(ANSWER_WITHIN, channel.confirm_select(ConfirmSelectOptions::default())).await??;
        Ok(Arc::clone(confirming.insert(Arc::new(channel))))
    }

    /// Uses a new channel for publishing from now on. Messages in flight are confirmed on the old one.
    pub(super) async fn leave_confirming(&self) {
        // It closes when its last user drops it.
        *self.confirming.lock().await = None;
    }

    /// Closes the channel for publishing, if it is still this one. Messages that are not confirmed on it are sent again.
    pub(super) async fn renew_confirming(&self, used: &Arc<Channel>) {
        let mut confirming = self.confirming.lock().await;
        if confirming.as_ref().is_some_and(|channel| Arc::ptr_eq(channel, used)) {
            *confirming = None;
            drop(confirming);
            // It does not matter if it is closed already.
            let closing = used.close(lapin::protocol::constants::REPLY_SUCCESS, "anew".into());
            let _ = self.within(ANSWER_WITHIN, closing).await;
        }
    }

    /// Makes sure that the queue exists, once on each connection.
    pub(super) async fn declare(&self, queue: &QueueName) -> Result<(), BrokerError> {
        if self.is_declared(queue) {
            return Ok(());
        }
        let _one_at_a_time = self.declaring.lock().await;
        if self.is_declared(queue) {
            return Ok(());
        }
        self.missed.rest(queue).await;
        // An error closes the channel, so nobody else may use it.
        let channel = self.channel().await?;
        self.within(ANSWER_WITHIN, topology::declare(&channel, queue)).await??;
        let closing = channel.close(lapin::protocol::constants::REPLY_SUCCESS, "declared".into());
        self.within(ANSWER_WITHIN, closing).await??;
        self.lock_declared().insert(queue.clone());
        Ok(())
    }

    /// Makes the next use of the queue declare it again.
    pub(super) fn forget(&self, queue: &QueueName) {
        if self.lock_declared().remove(queue) {
            self.missed.note(queue);
        }
    }

    /// The reason that the broker gives while it blocks publishers.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cancelled once the connection is gone.
    pub(super) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// Waits until the connection is lost, notifies all holders of its deliveries, and returns the reason.
    pub(super) async fn lost(&self) -> String {
        let reason = self.ended().await;
        self.gone.cancel();
        reason
    }

    async fn ended(&self) -> String {
        let mut events = Box::pin(self.connection.events_listener());
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                Some(event) = events.next() => match event {
                    // The user of the channel gets the error; deliveries on other channels stay valid.
                    Event::Error(error) if is_of_a_channel(&error) => {}
                    Event::Error(error) => return said(&error),
                    Event::ConnectionBlocked(reason) => self.set_blocked(Some(reason)),
                    Event::ConnectionUnblocked => self.set_blocked(None),
                    _ => {}
                },
                _ = look.tick() => {
                    if !self.connection.status().connected() {
                        return "the connection was closed".to_owned();
                    }
                }
            }
        }
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        // It does not matter if it is closed already.
        let _ = self.connection.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into()).await;
    }

    fn is_declared(&self, queue: &QueueName) -> bool {
        self.lock_declared().contains(queue)
    }

    fn lock_declared(&self) -> MutexGuard<'_, HashSet<QueueName>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_blocked(&self, reason: Option<String>) {
        if let Some(reason) = &reason {
            tracing::warn!(reason, "RabbitMQ blocks publishers; messages wait");
        } else {
            tracing::warn!("RabbitMQ accepts messages again");
        }
        *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;
    use crate::queue::QueueKind;

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_went_missing_is_left_alone_once_and_others_are_not() {
        let queue = |run: &str| QueueName { run: RunId(run.to_owned()), kind: QueueKind::Results };
        let (missed, start) = (Missed::default(), Instant::now());
        missed.note(&queue("r1"));
        missed.rest(&queue("r2")).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        missed.rest(&queue("r1")).await;
        assert_eq!(start.elapsed(), REST);
        missed.rest(&queue("r1")).await;
        assert_eq!(start.elapsed(), REST, "it has rested");
    }
}
