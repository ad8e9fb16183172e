//! Sends messages until the broker says that they are safe, many at once on one channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Confirmation};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::backoff::Backoff;
use super::delivery::RabbitDelivery;
use super::error::BrokerError;
use super::headers::{DELIVERIES_BEFORE, deliveries_before};
use super::link::Link;
use super::metrics::PublishMetrics;
use super::publish_batch::BatchSchedule;
use super::session::Session;
use super::topology::{broker_name, queue_of};
use crate::queue::{Delivery as _, QueueError, QueueName, Verdict};

/// The largest message that RabbitMQ 4 takes as it is delivered.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A message that is not confirmed for so long is sent again, on a new channel: to a channel that knew a queue before it
/// was deleted and declared again, RabbitMQ 3.10 never confirms.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);

/// A message that is refused so often in a row is sent on another channel: to one that was refused while a queue lost its
/// leader, RabbitMQ 3.10 goes on saying no when the queue has another and takes messages again.
const MAX_REFUSALS: u32 = 3;

/// How often a queue is declared anew for one message.
const MAX_DECLARATIONS: u32 = 5;

/// The delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// A message on its way to a queue.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) queue: QueueName,
    pub(super) body: Bytes,
    /// How often it was delivered before it was handed back.
    pub(super) deliveries_before: u32,
}

/// What became of one attempt.
enum Sent {
    Safe,
    /// The queue is full, or cannot take messages at the moment.
    Refused,
    /// There is no such queue any more.
    Unroutable,
}

/// Sends messages. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    link: Link,
    tasks: TaskTracker,
    last_id: Arc<AtomicU64>,
    schedule: Arc<BatchSchedule>,
    metrics: Arc<PublishMetrics>,
}

impl Publisher {
    pub(super) fn new(link: Link, tasks: TaskTracker, schedule: Arc<BatchSchedule>) -> Self {
        let metrics = Arc::new(PublishMetrics::new());
        Self { link, tasks, last_id: Arc::default(), schedule, metrics }
    }

    pub(super) fn metrics(&self) -> &PublishMetrics {
        &self.metrics
    }

    /// Returns once the message is safe in its queue. A publish that is dropped goes on in the background.
    pub(super) async fn publish(&self, letter: Letter) -> Result<(), QueueError> {
        if letter.body.len() > MAX_BYTES {
            let Letter { queue, body, .. } = letter;
            return Err(QueueError::TooLarge { queue, bytes: body.len(), most: MAX_BYTES });
        }
        let closed = QueueError::Closed(letter.queue.clone());
        // A task of its own, because a confirmation may carry somebody else's returned message, which must not get lost.
        let sending = self.tasks.spawn(self.clone().send_until_safe(letter));
        sending.await.unwrap_or(Err(closed))
    }

    /// Puts a copy of a delivery into its queue, then acknowledges it. Where its connection is gone, the broker has taken
    /// it back already.
    pub(super) async fn hand_back(
        &self,
        queue: &QueueName,
        delivery: RabbitDelivery,
        verdict: Verdict,
    ) -> Result<(), QueueError> {
        if !delivery.is_live() {
            return Ok(());
        }
        let deliveries_before = match verdict {
            Verdict::Harmless => 0,
            Verdict::Unknown => delivery.deliveries_before(),
        };
        let body = delivery.body().clone();
        self.publish(Letter { queue: queue.clone(), body, deliveries_before }).await?;
        delivery.acknowledge();
        Ok(())
    }

    async fn send_until_safe(self, letter: Letter) -> Result<(), QueueError> {
        let mut backoff = Backoff::default();
        let (mut declared, mut refused) = (0, 0);
        self.schedule.depart().await;
        loop {
            let sent = self.send(&letter, refused).await;
            self.count(&sent);
            match sent {
                Ok(Sent::Safe) => return Ok(()),
                Ok(Sent::Unroutable) if declared == MAX_DECLARATIONS => {
                    let queue = String::from(broker_name(&letter.queue)?);
                    return Err(QueueError::Unroutable { queue, times: declared });
                }
                Ok(Sent::Unroutable) => declared += 1,
                Ok(Sent::Refused) => {
                    refused += 1;
                    tracing::debug!(queue = %letter.queue, refused, "refused; publish again");
                }
                Err(BrokerError::Passing(reason)) => tracing::debug!(queue = %letter.queue, reason, "publish again"),
                Err(BrokerError::Lasting(error)) => return Err(error),
            }
            backoff.pause().await;
        }
    }

    fn count(&self, sent: &Result<Sent, BrokerError>) {
        match sent {
            Ok(Sent::Safe) => self.metrics.safe.inc(),
            Ok(Sent::Refused) => self.metrics.refused.inc(),
            Ok(Sent::Unroutable) => self.metrics.returned.inc(),
            // Where the connection broke, the broker has said nothing.
            Err(_) => {}
        }
    }

    async fn send(&self, letter: &Letter, refused_before: u32) -> Result<Sent, BrokerError> {
        let session = self.link.session(&letter.queue).await?;
        session.declare(&letter.queue).await?;
        if refused_before > 0 && refused_before.is_multiple_of(MAX_REFUSALS) {
            session.leave_confirming().await;
        }
        let channel = session.confirming().await?;
        let id = ShortString::from(self.last_id.fetch_add(1, Ordering::Relaxed).to_string());
        let name = broker_name(&letter.queue)?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm =
            channel.basic_publish("".into(), name, options, &letter.body, properties(letter, id.clone())).await?;
        let sent_at = Instant::now();
        let confirmation = match session.within(CONFIRM_WITHIN, confirm).await {
            Ok(confirmation) => confirmation,
            Err(trouble) => {
                self.metrics.late.inc();
                session.renew_confirming(&channel).await;
                return Err(trouble);
            }
        };
        let (sent, returned) = match confirmation? {
            Confirmation::Ack(returned) => (Sent::Safe, returned),
            Confirmation::Nack(returned) => (Sent::Refused, returned),
            Confirmation::NotRequested => unreachable!("the channel is in confirm mode"),
        };
        self.metrics.answered(sent_at.elapsed());
        let Some(message) = returned else { return Ok(sent) };
        session.renew_confirming(&channel).await;
        Ok(self.read_returned(message, &id, &session, sent))
    }

    fn read_returned(&self, message: BasicReturnMessage, id: &ShortString, session: &Session, sent: Sent) -> Sent {
        if let Some(queue) = queue_of(message.routing_key.as_str()) {
            session.forget(&queue);
        }
        if message.properties.message_id().as_ref() == Some(id) {
            return Sent::Unroutable;
        }
        self.send_again(message);
        sent
    }

    /// Where many messages are confirmed together, a returned one may come with the confirmation of another; its
    /// sender took it for safe.
    fn send_again(&self, message: BasicReturnMessage) {
        let Some(queue) = queue_of(message.routing_key.as_str()) else { return };
        let deliveries_before = deliveries_before(&message.properties);
        let letter = Letter { queue, deliveries_before, body: Bytes::from(message.delivery.data) };
        let publisher = self.clone();
        self.tasks.spawn(async move {
            let queue = letter.queue.clone();
            if let Err(error) = publisher.send_until_safe(letter).await {
                tracing::error!(%queue, %error, "a message that RabbitMQ returned is lost");
            }
        });
    }
}

fn properties(letter: &Letter, id: ShortString) -> BasicProperties {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT).with_message_id(id);
    if letter.deliveries_before == 0 {
        return properties;
    }
    let mut headers = FieldTable::default();
    headers.insert(DELIVERIES_BEFORE.into(), i64::from(letter.deliveries_before).into());
    properties.with_headers(headers)
}
