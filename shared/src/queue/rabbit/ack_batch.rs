//! The answers to deliveries of one channel on their way to the broker: they leave together where there are many.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::runtime::Handle;

use super::publish_batch::BatchSchedule;

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    /// It is dealt with.
    Acknowledge,
    /// Somebody is to get it again.
    GiveBack,
}

/// A channel, and the answers that wait for the next departure.
#[derive(Debug)]
pub(super) struct AckBatch {
    pub(super) channel: Channel,
    schedule: Arc<BatchSchedule>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By delivery tag.
    answers: Vec<(u64, Ack)>,
    /// Whether somebody sees to it that they leave.
    are_seen_off: bool,
}

impl AckBatch {
    pub(super) fn new(channel: Channel, schedule: &Arc<BatchSchedule>) -> Arc<Self> {
        let this = Arc::new(Self { channel, schedule: Arc::clone(schedule), waiting: Mutex::default() });
        schedule.serve(&this);
        this
    }

    /// Whether the broker still counts on answers.
    pub(super) fn are_awaited(&self) -> bool {
        self.channel.status().connected()
    }

    /// Sends answers, soon; returns at once.
    pub(super) fn send(self: &Arc<Self>, answers: impl IntoIterator<Item = (u64, Ack)>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.answers.extend(answers);
        if waiting.answers.is_empty() || waiting.are_seen_off {
            return;
        }
        waiting.are_seen_off = true;
        drop(waiting);
        let this = Arc::clone(self);
        let seeing_off = async move {
            this.schedule.depart().await;
            this.flush();
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(seeing_off)),
            // Nobody is there who could wait.
            Err(_) => self.flush(),
        }
    }

    /// Sends all answers that wait, now.
    pub(super) fn flush(&self) {
        let Waiting { answers, .. } = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (tag, answer) in answers {
            self.send_one(tag, answer);
        }
    }

    fn send_one(&self, tag: u64, answer: Ack) {
        // The first poll puts the frame in line; what follows only tells when it was written. On a channel that is gone
        // it does nothing, and the broker has taken the message back.
        match answer {
            Ack::Acknowledge => drop(self.channel.basic_ack(tag, BasicAckOptions::default()).now_or_never()),
            Ack::GiveBack => {
                let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                drop(self.channel.basic_nack(tag, options).now_or_never());
            }
        }
    }
}
