//! Sends messages until the broker confirms them, many at once on one channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Confirmation};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::backoff::Backoff;
use super::connection::RabbitConnection;
use super::delivery::RabbitDelivery;
use super::error::BrokerError;
use super::headers::{DELIVERIES_BEFORE, deliveries_before};
use super::metrics::PublishMetrics;
use super::publish_batch::BatchSchedule;
use super::session::Session;
use super::topology::{broker_name, queue_of};
use crate::queue::{Delivery as _, QueueError, QueueName, Verdict};

/// The largest message that RabbitMQ 4 accepts by default.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A message that is not confirmed within this time is sent again on a new channel: RabbitMQ 3.10 never confirms on a channel
/// that used a queue before it was deleted and declared again.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);

/// A message that is refused this often in a row is sent on another channel: RabbitMQ 3.10 keeps refusing on a channel that
/// was refused while a queue lost its leader, even when the queue has a new one and accepts messages again.
const MAX_REFUSALS: u32 = 3;

/// How often a queue is declared again for one message.
const MAX_DECLARATIONS: u32 = 5;

/// The delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// A message on its way to a queue.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) queue: QueueName,
    pub(super) body: Bytes,
    /// How often it was delivered before it was handed back.
    pub(super) deliveries_before: u32,
}

/// The result of one attempt.
enum Sent {
    Safe,
    /// The queue is full, or cannot accept messages at the moment.
    Refused,
    /// The queue no longer exists.
    Unroutable,
}

/// Sends messages. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    connection: RabbitConnection,
    tasks: TaskTracker,
    last_id: Arc<AtomicU64>,
    schedule: Arc<BatchSchedule>,
    metrics: Arc<PublishMetrics>,
    /// The largest message that the broker accepts, as far as it is known.
    most_bytes: Arc<AtomicUsize>,
}

impl Publisher {
    pub(super) fn new(connection: RabbitConnection, tasks: TaskTracker, schedule: Arc<BatchSchedule>) -> Self {
        let metrics = Arc::new(PublishMetrics::new());
        let most_bytes = Arc::new(AtomicUsize::new(MAX_BYTES));
        Self { connection, tasks, last_id: Arc::default(), schedule, metrics, most_bytes }
    }

    /// The largest message that the broker accepts: RabbitMQ's default until it refuses a smaller one.
    pub(super) fn most_bytes(&self) -> usize {
        self.most_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn metrics(&self) -> &PublishMetrics {
        &self.metrics
    }

    /// Returns once the broker has confirmed the message. If the future is dropped, publishing goes on in the background.
    pub(super) async fn publish(&self, outgoing: Outgoing) -> Result<(), QueueError> {
        let most = self.most_bytes();
        if outgoing.body.len() > most {
            let Outgoing { queue, body, .. } = outgoing;
            return Err(QueueError::TooLarge { queue, bytes: body.len(), most });
        }
        let closed = QueueError::Closed(outgoing.queue.clone());
        // A task of its own, because a confirmation may carry another caller's returned message, which must not be lost.
        let sending = self.tasks.spawn(self.clone().send_until_safe(outgoing));
        sending.await.unwrap_or(Err(closed))
    }

    /// Publishes a copy of a delivery to its queue, then acknowledges the delivery. If its connection is lost, the broker has
    /// already taken it back.
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
        self.publish(Outgoing { queue: queue.clone(), body, deliveries_before }).await?;
        delivery.acknowledge();
        Ok(())
    }

    async fn send_until_safe(self, outgoing: Outgoing) -> Result<(), QueueError> {
        let mut backoff = Backoff::default();
        let (mut declared, mut refused) = (0, 0);
        self.schedule.next_batch().await;
        loop {
            let sent = self.send(&outgoing, refused).await;
            self.count(&sent);
            match sent {
                Ok(Sent::Safe) => return Ok(()),
                Ok(Sent::Unroutable) if declared == MAX_DECLARATIONS => {
                    let queue = String::from(broker_name(&outgoing.queue)?);
                    return Err(QueueError::Unroutable { queue, times: declared });
                }
                Ok(Sent::Unroutable) => declared += 1,
                Ok(Sent::Refused) => {
                    refused += 1;
                    tracing::debug!(queue = %outgoing.queue, refused, "RabbitMQ refused a message; publishing it again");
                }
                Err(BrokerError::Passing(reason)) => {
                    tracing::debug!(queue = %outgoing.queue, reason, "publishing a message again");
                }
                Err(BrokerError::Lasting(error)) => {
                    self.learn_from(&error);
                    return Err(error);
                }
            }
            backoff.pause().await;
        }
    }

    fn learn_from(&self, error: &QueueError) {
        let QueueError::TooLarge { most, .. } = *error else { return };
        if self.most_bytes.fetch_min(most, Ordering::Relaxed) > most {
            tracing::warn!(most, "RabbitMQ takes smaller messages than by default (max_message_size)");
        }
    }

    fn count(&self, sent: &Result<Sent, BrokerError>) {
        match sent {
            Ok(Sent::Safe) => self.metrics.safe.inc(),
            Ok(Sent::Refused) => self.metrics.refused.inc(),
            Ok(Sent::Unroutable) => self.metrics.returned.inc(),
            // If the connection broke, the broker has not answered.
            Err(_) => {}
        }
    }

    async fn send(&self, outgoing: &Outgoing, refused_before: u32) -> Result<Sent, BrokerError> {
        let session = self.connection.session(&outgoing.queue).await?;
        session.declare(&outgoing.queue).await?;
        if refused_before > 0 && refused_before.is_multiple_of(MAX_REFUSALS) {
            session.leave_confirming().await;
        }
        let channel = session.confirming().await?;
        let id = ShortString::from(self.last_id.fetch_add(1, Ordering::Relaxed).to_string());
        let name = broker_name(&outgoing.queue)?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm =
            channel.basic_publish("".into(), name, options, &outgoing.body, properties(outgoing, id.clone())).await?;
        let sent_at = Instant::now();
        let confirmation = match session.within(CONFIRM_WITHIN, confirm).await {
            Ok(confirmation) => confirmation,
            Err(error) => {
                self.metrics.late.inc();
                session.renew_confirming(&channel).await;
                return Err(error);
            }
        };
        let bytes = outgoing.body.len();
        let confirmation = confirmation.map_err(|error| BrokerError::of_message(error, &outgoing.queue, bytes))?;
        let (sent, returned) = match confirmation {
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

    /// Publishes a returned message again. When many messages are confirmed together, a returned one may arrive with the
    /// confirmation of another; its own sender then believes that it is safe.
    fn send_again(&self, message: BasicReturnMessage) {
        let Some(queue) = queue_of(message.routing_key.as_str()) else { return };
        let deliveries_before = deliveries_before(&message.properties);
        let outgoing = Outgoing { queue, deliveries_before, body: Bytes::from(message.delivery.data) };
        let publisher = self.clone();
        self.tasks.spawn(async move {
            let queue = outgoing.queue.clone();
            if let Err(error) = publisher.send_until_safe(outgoing).await {
                tracing::error!(%queue, %error, "a message that RabbitMQ returned is lost");
            }
        });
    }
}

fn properties(outgoing: &Outgoing, id: ShortString) -> BasicProperties {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT).with_message_id(id);
    if outgoing.deliveries_before == 0 {
        return properties;
    }
    let mut headers = FieldTable::default();
    headers.insert(DELIVERIES_BEFORE.into(), i64::from(outgoing.deliveries_before).into());
    properties.with_headers(headers)
}
