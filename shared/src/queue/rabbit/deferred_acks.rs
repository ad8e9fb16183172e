//! The answers to one consumer's deliveries, held back while the consumer may be about to be cancelled.
//!
//! An answer makes room for another message in the broker's window. One that is sent just before the consumer is
//! cancelled brings a message that arrives too late: the broker takes it back and counts a failed delivery that nobody
//! saw. So answers wait until the cancellation is on its way, or until it is clear that the queue has no more.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::ack_batch::{Ack, AckBatch};

/// Where the deliveries of one consumer are answered.
#[derive(Debug)]
pub(super) struct DeferredAcks {
    answers: Arc<AckBatch>,
    /// Cancelled when the channel or its connection is gone.
    gone: CancellationToken,
    /// Acknowledgements that wait, by delivery tag; `None` once they go out.
    held: Mutex<Option<Vec<(u64, Ack)>>>,
}

impl DeferredAcks {
    /// Holds answers back until [`release`](Self::release).
    pub(super) fn new(answers: &Arc<AckBatch>, connection_gone: &CancellationToken) -> Self {
        let gone = connection_gone.child_token();
        Self { answers: Arc::clone(answers), gone, held: Mutex::new(Some(Vec::new())) }
    }

    /// Tells those who work on deliveries that the broker has taken them back, if it has.
    pub(super) fn look(&self) {
        if !self.is_live() {
            self.gone.cancel();
        }
    }

    /// Returns once the broker has taken the deliveries back.
    pub(super) fn gone(&self) -> impl Future<Output = ()> + Send + 'static {
        self.gone.clone().cancelled_owned()
    }

    /// Whether the broker still counts on answers.
    pub(super) fn is_live(&self) -> bool {
        self.answers.are_awaited()
    }

    /// Answers a delivery; returns at once.
    pub(super) fn answer(&self, tag: u64, answer: Ack) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some(held) => held.push((tag, answer)),
            None => self.answers.send([(tag, answer)]),
        }
    }

    /// Sends the answers that wait, and all later ones as they come.
    pub(super) fn release(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.answers.send(held.into_iter().flatten());
    }
}
