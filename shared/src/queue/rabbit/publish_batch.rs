//! Schedules when messages are sent: one by one while there are few, in batches while there are many.
//!
//! A quorum queue and its followers write to disk whenever something arrives. Messages and acknowledgements that arrive one by
//! one cost the broker twice as much CPU as the same in twenty-five batches a second, and their cells take seconds anyway.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::ack_batch::AckBatch;

/// The shortest time between two batches.
const EVERY: Duration = Duration::from_millis(40);

/// Decides when messages are sent.
#[derive(Debug)]
pub(super) struct BatchSchedule {
    next: Mutex<Instant>,
    /// The channels that may have acknowledgements to send.
    channels: Mutex<Vec<Weak<AckBatch>>>,
}

impl BatchSchedule {
    pub(super) fn new() -> Self {
        Self { next: Mutex::new(Instant::now()), channels: Mutex::default() }
    }

    /// Registers a channel for as long as somebody uses it.
    pub(super) fn register(&self, channel: &Arc<AckBatch>) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|known| known.strong_count() > 0);
        channels.push(Arc::downgrade(channel));
    }

    /// Sends the pending acknowledgements of all channels now.
    pub(super) fn flush_all(&self) {
        let channels = std::mem::take(&mut *self.channels.lock().unwrap_or_else(PoisonError::into_inner));
        channels.iter().filter_map(Weak::upgrade).for_each(|channel| channel.flush());
    }

    /// Waits for the next batch: not at all if the last one was long ago.
    pub(super) async fn next_batch(&self) {
        if let Some(later) = self.next_departure() {
            sleep_until(later).await;
            self.has_departed(later);
        }
    }

    /// When the next batch is due, if not now.
    fn next_departure(&self) -> Option<Instant> {
        let (mut next, now) = (self.next.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        if *next > now {
            return Some(*next);
        }
        *next = now + EVERY;
        None
    }

    /// Messages that are sent together count as one batch.
    fn has_departed(&self, departure: Instant) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if *next == departure {
            *next = departure + EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
    use lapin::types::FieldTable;
    use lapin::{BasicProperties, Connection, ConnectionProperties};
    use valuesim_test_servers::shared_broker;

    use super::*;
    use crate::queue::rabbit::ack_batch::Ack;

    #[tokio::test(start_paused = true)]
    async fn a_single_message_leaves_at_once_and_many_leave_together() {
        let (schedule, start) = (BatchSchedule::new(), Instant::now());
        schedule.next_batch().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::time::advance(EVERY / 2).await;
        let depart = async || {
            schedule.next_batch().await;
            start.elapsed()
        };
        let (one, two, three) = tokio::join!(depart(), depart(), depart());
        assert_eq!([one, two, three], [EVERY; 3]);
        assert_eq!(depart().await, 2 * EVERY, "whoever comes just after them waits for the next");
        tokio::time::advance(EVERY).await;
        assert_eq!(depart().await, 3 * EVERY);
    }

    #[tokio::test]
    async fn the_last_call_takes_along_what_waits_on_any_channel() {
        let vhost = shared_broker().await;
        let connection = Connection::connect(&vhost.url, ConnectionProperties::default()).await.expect("connected");
        let channel = connection.create_channel().await.expect("a channel");
        let declare = || channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default());
        declare().await.expect("declared");
        let publish = async || {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            channel.basic_publish("".into(), "q".into(), options, b"m", properties).await.expect("published");
        };
        let schedule = Arc::new(BatchSchedule::new());
        *schedule.next.lock().expect("not poisoned") = Instant::now() + Duration::from_hours(1);
        let mut channels = Vec::new();
        for _ in 0..2 {
            let answers = AckBatch::new(connection.create_channel().await.expect("a channel"), &schedule);
            publish().await;
            // The queue has it before it answers this.
            declare().await.expect("it is there");
            let message = answers.channel.basic_get("q".into(), BasicGetOptions::default()).await;
            let tag = message.expect("an answer").expect("a message").delivery.delivery_tag;
            answers.send([(tag, Ack::Acknowledge)]);
            channels.push(answers);
        }
        schedule.flush_all();
        for answers in channels {
            answers.channel.close(200, "done".into()).await.expect("closed");
        }
        assert_eq!(declare().await.expect("it is there").message_count(), 0, "messages came back");
    }
}
