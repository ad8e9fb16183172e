//! Acknowledgements of one channel, sent to the broker in batches.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::runtime::Handle;

use super::publish_batch::BatchSchedule;

/// How a delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    /// It was processed: the broker forgets it.
    Acknowledge,
    /// The broker delivers it again.
    GiveBack,
}

/// A channel, and the acknowledgements that wait for its next batch.
#[derive(Debug)]
pub(super) struct AckBatch {
    pub(super) channel: Channel,
    schedule: Arc<BatchSchedule>,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    /// By delivery tag.
    answers: Vec<(u64, Ack)>,
    /// Whether a task will flush them.
    flush_is_scheduled: bool,
}

impl AckBatch {
    pub(super) fn new(channel: Channel, schedule: &Arc<BatchSchedule>) -> Arc<Self> {
        let this = Arc::new(Self { channel, schedule: Arc::clone(schedule), pending: Mutex::default() });
        schedule.register(&this);
        this
    }

    /// Whether the channel is open, so that the broker still expects acknowledgements.
    pub(super) fn are_awaited(&self) -> bool {
        self.channel.status().connected()
    }

    /// Sends acknowledgements with the next batch; returns at once.
    pub(super) fn send(self: &Arc<Self>, answers: impl IntoIterator<Item = (u64, Ack)>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.answers.extend(answers);
        if pending.answers.is_empty() || pending.flush_is_scheduled {
            return;
        }
        pending.flush_is_scheduled = true;
        drop(pending);
        let this = Arc::clone(self);
        let flushing = async move {
            this.schedule.next_batch().await;
            this.flush();
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(flushing)),
            // Outside a runtime no task can wait for the next batch.
            Err(_) => self.flush(),
        }
    }

    /// Sends all pending acknowledgements now.
    pub(super) fn flush(&self) {
        let Pending { answers, .. } = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        for (tag, answer) in answers {
            self.send_one(tag, answer);
        }
    }

    fn send_one(&self, tag: u64, answer: Ack) {
        // The first poll queues the frame; later ones only report when it was written. On a closed channel this does
        // nothing, and the broker has taken the message back.
        match answer {
            Ack::Acknowledge => drop(self.channel.basic_ack(tag, BasicAckOptions::default()).now_or_never()),
            Ack::GiveBack => {
                let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                drop(self.channel.basic_nack(tag, options).now_or_never());
            }
        }
    }
}
