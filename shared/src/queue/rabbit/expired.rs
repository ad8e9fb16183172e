//! Puts messages that expired, because a policy of the broker says so, back into their queues.

use std::sync::Arc;

use bytes::Bytes;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel};

use super::connection::RabbitConnection;
use super::headers::{deliveries_before, expired_in};
use super::inspect::{Unanswered, ask, on_queue};
use super::publisher::{Outgoing, Publisher};
use super::session::Session;
use super::topology::{broker_name, queue_of};
use crate::id::RunId;
use crate::queue::{QueueError, QueueKind, QueueName};

/// Looks at the first `most` dead letters of the run; returns how many had expired. Each is safe in its queue before it is removed
/// here, so that none is lost.
pub(super) async fn revive(
    connection: &RabbitConnection,
    publisher: &Publisher,
    (run, most): (&RunId, usize),
) -> Result<u32, QueueError> {
    let dead = QueueName { run: run.clone(), kind: QueueKind::Dead };
    let name = broker_name(&dead)?;
    let revive = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move { revive_first(&session, &channel, (publisher, name, most)).await }
    };
    Ok(on_queue(connection, &dead, revive).await?.unwrap_or(0))
}

async fn revive_first(
    session: &Session,
    channel: &Channel,
    (publisher, name, most): (&Publisher, ShortString, usize),
) -> Result<u32, Unanswered> {
    let (mut revived, mut others) = (0, None);
    for _ in 0..most {
        let message = ask(session, channel.basic_get(name.clone(), BasicGetOptions::default())).await?;
        let Some(BasicGetMessage { delivery, .. }) = message else { break };
        let Some(queue) = origin(&delivery.properties) else {
            others = Some(delivery.delivery_tag);
            continue;
        };
        let deliveries_before = deliveries_before(&delivery.properties);
        let again = Outgoing { queue, body: Bytes::from(delivery.data), deliveries_before };
        publisher.publish(again).await.map_err(|error| Unanswered::Broken(error.into()))?;
        ask(session, channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default())).await?;
        revived += 1;
    }
    if let Some(tag) = others {
        ask(session, channel.basic_nack(tag, BasicNackOptions { multiple: true, requeue: true })).await?;
    }
    Ok(revived)
}

/// The queue in which the message expired.
fn origin(properties: &BasicProperties) -> Option<QueueName> {
    let queue = queue_of(&expired_in(properties)?)?;
    (queue.kind != QueueKind::Dead).then_some(queue)
}
