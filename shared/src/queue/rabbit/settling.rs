//! The answers to one consumer's deliveries, held back while the consumer may be about to be cancelled.
//!
//! An answer makes room for another message in the broker's window. One that is sent just before the consumer is
//! cancelled brings a message that arrives too late: the broker takes it back and counts a failed delivery that nobody
//! saw. So answers wait until the cancellation is on its way, or until it is clear that the queue has no more.

use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio_util::sync::CancellationToken;

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is dealt with.
    Acknowledge,
    /// Somebody is to get it again.
    GiveBack,
}

/// Where the deliveries of one consumer are answered.
#[derive(Debug)]
pub(super) struct Settling {
    channel: Channel,
    /// Cancelled when the channel or its connection is gone.
    gone: CancellationToken,
    /// Answers that wait, by delivery tag; `None` once they go out at once.
    held: Mutex<Option<Vec<(u64, Answer)>>>,
}

impl Settling {
    /// Holds answers back until [`release`](Self::release).
    pub(super) fn new(channel: Channel, connection_gone: &CancellationToken) -> Self {
        Self { channel, gone: connection_gone.child_token(), held: Mutex::new(Some(Vec::new())) }
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
        self.channel.status().connected()
    }

    /// Answers a delivery; returns at once.
    pub(super) fn answer(&self, tag: u64, answer: Answer) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some(held) => held.push((tag, answer)),
            None => self.send(tag, answer),
        }
    }

    /// Sends the answers that wait, and all later ones at once.
    pub(super) fn release(&self) {
        // Under the lock, so that no later answer overtakes them.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for (tag, answer) in held.take().into_iter().flatten() {
            self.send(tag, answer);
        }
    }

    fn send(&self, tag: u64, answer: Answer) {
        // The first poll puts the frame in line; what follows only tells when it was written. On a channel that is gone
        // it does nothing, and the broker has taken the message back.
        match answer {
            Answer::Acknowledge => drop(self.channel.basic_ack(tag, BasicAckOptions::default()).now_or_never()),
            Answer::GiveBack => {
                let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                drop(self.channel.basic_nack(tag, options).now_or_never());
            }
        }
    }
}
