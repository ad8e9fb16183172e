//! Acknowledgements of one consumer, deferred while the consumer may be about to be cancelled.
//!
//! Each acknowledgement lets the broker send another message. One that is sent just before the consumer is cancelled
//! triggers a message that arrives too late: the broker takes it back and counts a failed delivery that nobody saw. So
//! acknowledgements wait until the cancellation is on its way, or until it is clear that the queue is empty.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::ack_batch::{Ack, AckBatch};

/// Acknowledges the deliveries of one consumer.
#[derive(Debug)]
pub(super) struct DeferredAcks {
    answers: Arc<AckBatch>,
    /// Cancelled when the channel or its connection is gone.
    gone: CancellationToken,
    /// Deferred acknowledgements, by delivery tag; `None` once they are sent as they come.
    deferred: Mutex<Option<Vec<(u64, Ack)>>>,
}

impl DeferredAcks {
    /// Defers acknowledgements until [`release`](Self::release).
    pub(super) fn new(answers: &Arc<AckBatch>, connection_gone: &CancellationToken) -> Self {
        let gone = connection_gone.child_token();
        Self { answers: Arc::clone(answers), gone, deferred: Mutex::new(Some(Vec::new())) }
    }

    /// Notifies those who work on deliveries if the broker has taken these back.
    pub(super) fn notify_if_gone(&self) {
        if !self.is_live() {
            self.gone.cancel();
        }
    }

    /// Returns once the broker has taken the deliveries back.
    pub(super) fn gone(&self) -> impl Future<Output = ()> + Send + 'static {
        self.gone.clone().cancelled_owned()
    }

    /// Whether the broker still expects acknowledgements.
    pub(super) fn is_live(&self) -> bool {
        self.answers.are_awaited()
    }

    /// Settles a delivery; returns at once.
    pub(super) fn answer(&self, tag: u64, answer: Ack) {
        let mut deferred = self.deferred.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *deferred {
            Some(deferred) => deferred.push((tag, answer)),
            None => self.answers.send([(tag, answer)]),
        }
    }

    /// Sends the deferred acknowledgements, and all later ones as they come.
    pub(super) fn release(&self) {
        let deferred = self.deferred.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.answers.send(deferred.into_iter().flatten());
    }
}
