//! One connection while it lasts: its channels, and which queues were declared on it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, Event};
use tokio::time::{Duration, Instant, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::error::{BrokerError, is_of_a_channel};
use super::topology;
use crate::queue::QueueName;

/// How often a connection is looked at beside listening to its events.
const LOOK: Duration = Duration::from_secs(1);

/// How long the broker may take to answer a request: a node of a cluster that lost a queue's leader forgets some without
/// a word. Busy nodes take a second or two.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long a queue that is gone is left alone before it is declared again: in RabbitMQ 3.10 a queue that is declared
/// while its last life is still ending can stay impossible to declare until the broker is started anew
/// (`cluster_not_formed`).
const REST: Duration = Duration::from_millis(500);

/// When queues went missing, or may have, on any connection.
#[derive(Debug, Default)]
pub(super) struct Missed(Mutex<HashMap<QueueName, Instant>>);

impl Missed {
    fn note(&self, queue: &QueueName) {
        self.lock().insert(queue.clone(), Instant::now());
    }

    /// Returns once the queue has been left alone long enough.
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

    /// The answer to a request of this connection. A broker that takes no messages for now leaves all else unread too, so
    /// that time does not count.
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

    /// The channel for publishing, with confirms.
    pub(super) async fn confirming(&self) -> Result<Arc<Channel>, BrokerError> {
        let mut confirming = self.confirming.lock().await;
        if let Some(channel) = confirming.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(Arc::clone(channel));
        }
        let channel = self.channel().await?;
        self.within(ANSWER_WITHIN, channel.confirm_select(ConfirmSelectOptions::default())).await??;
        Ok(Arc::clone(confirming.insert(Arc::new(channel))))
    }

    /// Uses another channel for publishing from now on. What is on its way on this one is confirmed there.
    pub(super) async fn leave_confirming(&self) {
        // With its last user it closes.
        *self.confirming.lock().await = None;
    }

    /// Closes the channel for publishing, if it is still this one. What is not confirmed on it is sent again.
    pub(super) async fn renew_confirming(&self, used: &Arc<Channel>) {
        let mut confirming = self.confirming.lock().await;
        if confirming.as_ref().is_some_and(|channel| Arc::ptr_eq(channel, used)) {
            *confirming = None;
            drop(confirming);
            // If it is gone already, all the better.
            let closing = used.close(lapin::protocol::constants::REPLY_SUCCESS, "anew".into());
            let _ = self.within(ANSWER_WITHIN, closing).await;
        }
    }

    /// Sees to it that the queue exists, once on each connection.
    pub(super) async fn declare(&self, queue: &QueueName) -> Result<(), BrokerError> {
        if self.is_declared(queue) {
            return Ok(());
        }
        let _one_at_a_time = self.declaring.lock().await;
        if self.is_declared(queue) {
            return Ok(());
        }
        self.missed.rest(queue).await;
        // An error closes the channel, so it is nobody else's.
        let channel = self.channel().await?;
        self.within(ANSWER_WITHIN, topology::declare(&channel, queue)).await??;
        let closing = channel.close(lapin::protocol::constants::REPLY_SUCCESS, "declared".into());
        self.within(ANSWER_WITHIN, closing).await??;
        self.lock_declared().insert(queue.clone());
        Ok(())
    }

    /// Declares the queue again before its next use.
    pub(super) fn forget(&self, queue: &QueueName) {
        if self.lock_declared().remove(queue) {
            self.missed.note(queue);
        }
    }

    /// What the broker says while it takes no messages.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cancelled once the connection is gone.
    pub(super) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// Waits until the connection is gone, tells all who have deliveries of it, and says why.
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
                    // Whoever has the channel hears of it; what others have on loan stays theirs.
                    Event::Error(error) if is_of_a_channel(&error) => {}
                    Event::Error(error) => return error.to_string(),
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

    /// Says goodbye to the broker.
    pub(super) async fn close(&self) {
        // A connection that is gone already needs no goodbye.
        let _ = self.connection.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into()).await;
    }

    fn is_declared(&self, queue: &QueueName) -> bool {
        self.lock_declared().contains(queue)
    }

    fn lock_declared(&self) -> MutexGuard<'_, HashSet<QueueName>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_blocked(&self, reason: Option<String>) {
        tracing::warn!(reason, "RabbitMQ takes no messages, or takes them again where no reason is given");
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
