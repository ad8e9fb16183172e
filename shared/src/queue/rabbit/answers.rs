//! The answers to deliveries of one channel on their way to the broker: they leave together where there are many.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::runtime::Handle;

use super::departures::Departures;

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is dealt with.
    Acknowledge,
    /// Somebody is to get it again.
    GiveBack,
}

/// A channel, and the answers that wait for the next departure.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) channel: Channel,
    departures: Arc<Departures>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By delivery tag.
    answers: Vec<(u64, Answer)>,
    /// Whether somebody sees to it that they leave.
    are_seen_off: bool,
}

impl Answers {
    pub(super) fn new(channel: Channel, departures: &Arc<Departures>) -> Arc<Self> {
        let this = Arc::new(Self { channel, departures: Arc::clone(departures), waiting: Mutex::default() });
        departures.serve(&this);
        this
    }

    /// Whether the broker still counts on answers.
    pub(super) fn are_awaited(&self) -> bool {
        self.channel.status().connected()
    }

    /// Sends answers, soon; returns at once.
    pub(super) fn send(self: &Arc<Self>, answers: impl IntoIterator<Item = (u64, Answer)>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.answers.extend(answers);
        if waiting.answers.is_empty() || waiting.are_seen_off {
            return;
        }
        waiting.are_seen_off = true;
        drop(waiting);
        let this = Arc::clone(self);
        let seeing_off = async move {
            this.departures.depart().await;
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

    fn send_one(&self, tag: u64, answer: Answer) {
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
