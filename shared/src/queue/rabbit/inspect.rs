//! Inspects queues for operators, each time on a channel of its own, because a missing queue closes the channel.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::Channel;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::connection::RabbitConnection;
use super::error::{BrokerError, is_missing};
use super::headers::{deliveries_before, expired_in};
use super::session::{ANSWER_WITHIN, Session};
use super::topology::broker_name;
use crate::queue::{QueueError, QueueName};

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait, without those that are delivered and not yet acknowledged.
    pub messages: u32,
    /// Consumers: workers that wait for messages. A worker without room for more is not counted.
    pub consumers: u32,
}

/// A message that was inspected and left in its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browsed {
    /// The message.
    pub body: Bytes,
    /// How often it was delivered before.
    pub deliveries_before: u32,
    /// Whether the broker made it a dead letter because nobody took it in time.
    pub has_expired: bool,
}

/// How often an operation that breaks off is tried at least.
const TRIES: u32 = 3;

/// How long an operation is tried at least, so that a broken connection can be reopened meanwhile.
const TRIED_FOR: Duration = Duration::from_secs(5);

/// Counts attempts, and limits them.
struct Tries {
    number: u32,
    until: Instant,
    backoff: Backoff,
}

impl Tries {
    fn new() -> Self {
        Self { number: 1, until: Instant::now() + TRIED_FOR, backoff: Backoff::default() }
    }

    /// Whether to try again; if so, waits first.
    async fn again(&mut self) -> bool {
        if self.number >= TRIES && Instant::now() >= self.until {
            return false;
        }
        self.number += 1;
        self.backoff.pause().await;
        true
    }
}

/// Makes sure that the queue exists.
pub(super) async fn declare(connection: &RabbitConnection, queue: &QueueName) -> Result<(), QueueError> {
    let mut tries = Tries::new();
    loop {
        let reason = match connection.session_soon(queue).await?.declare(queue).await {
            Ok(()) => return Ok(()),
            Err(error) => passing(error)?,
        };
        if !tries.again().await {
            return Err(connection.unreachable(queue, reason));
        }
    }
}

/// How full the queue is; `None` if there is no such queue.
pub(super) async fn depth(connection: &RabbitConnection, queue: &QueueName) -> Result<Option<Depth>, QueueError> {
    let name = broker_name(queue)?;
    let look = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move {
            let passive = QueueDeclareOptions::durable().passive();
            ask(&session, channel.queue_declare(name, passive, FieldTable::default())).await
        }
    };
    let found = on_queue(connection, queue, look).await?;
    Ok(found.map(|found| Depth { messages: found.message_count(), consumers: found.consumer_count() }))
}

/// Whether no message waits in the queue. Asks the queue's leader; a message count alone is not reliable, because a node that
/// cannot reach the leader reports 0. A message that is there is returned to the queue, and counts as delivered once more.
pub(super) async fn is_empty(connection: &RabbitConnection, queue: &QueueName) -> Result<bool, QueueError> {
    Ok(depth(connection, queue).await?.is_none_or(|depth| depth.messages == 0)
        && browse(connection, queue, 1).await?.is_empty())
}

/// Up to `most` messages from the head of the queue; they stay there.
pub(super) async fn browse(
    connection: &RabbitConnection,
    queue: &QueueName,
    most: usize,
) -> Result<Vec<Browsed>, QueueError> {
    let name = broker_name(queue)?;
    let look = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move { first_messages(&session, &channel, name, most).await }
    };
    Ok(on_queue(connection, queue, look).await?.unwrap_or_default())
}

async fn first_messages(
    session: &Session,
    channel: &Channel,
    name: ShortString,
    most: usize,
) -> Result<Vec<Browsed>, Unanswered> {
    let mut seen = Vec::new();
    let mut last = None;
    while seen.len() < most {
        let message = ask(session, channel.basic_get(name.clone(), BasicGetOptions::default())).await?;
        let Some(BasicGetMessage { delivery, .. }) = message else { break };
        last = Some(delivery.delivery_tag);
        let deliveries_before = deliveries_before(&delivery.properties);
        let has_expired = expired_in(&delivery.properties).is_some();
        seen.push(Browsed { body: Bytes::from(delivery.data), deliveries_before, has_expired });
    }
    if let Some(tag) = last {
        ask(session, channel.basic_nack(tag, BasicNackOptions { multiple: true, requeue: true })).await?;
    }
    Ok(seen)
}

/// Deletes the queue with its messages, and returns how many waited there.
pub(super) async fn delete(connection: &RabbitConnection, queue: &QueueName) -> Result<u32, QueueError> {
    let name = broker_name(queue)?;
    let delete = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move { ask(&session, channel.queue_delete(name, QueueDeleteOptions::default())).await }
    };
    Ok(on_queue(connection, queue, delete).await?.unwrap_or(0))
}

/// Deletes the messages that wait in the queue, and returns how many there were.
pub(super) async fn purge(connection: &RabbitConnection, queue: &QueueName) -> Result<u32, QueueError> {
    let name = broker_name(queue)?;
    let purge = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move { ask(&session, channel.queue_purge(name, QueuePurgeOptions::default())).await }
    };
    Ok(on_queue(connection, queue, purge).await?.unwrap_or(0))
}

/// Why a request failed.
pub(super) enum Unanswered {
    /// The broker refused it.
    Refused(lapin::Error),
    /// The broker did not answer.
    Broken(BrokerError),
}

impl From<BrokerError> for Unanswered {
    fn from(error: BrokerError) -> Self {
        Self::Broken(error)
    }
}

/// Makes one request. Each has a time limit of its own, because there may be thousands.
pub(super) async fn ask<T>(
    session: &Session,
    request: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, Unanswered> {
    session.within(ANSWER_WITHIN, request).await?.map_err(Unanswered::Refused)
}

/// Runs `act` on a channel of its own; `None` if there is no such queue.
pub(super) async fn on_queue<T, F: Future<Output = Result<T, Unanswered>>>(
    connection: &RabbitConnection,
    queue: &QueueName,
    act: impl Fn(Arc<Session>, Channel) -> F,
) -> Result<Option<T>, QueueError> {
    let mut tries = Tries::new();
    loop {
        let session = connection.session_soon(queue).await?;
        let acted = async { act(Arc::clone(&session), session.channel().await?).await };
        let reason = match acted.await {
            Ok(found) => return Ok(Some(found)),
            Err(Unanswered::Refused(error)) if is_missing(&error) => return Ok(None),
            Err(Unanswered::Refused(error)) => passing(BrokerError::of_queue(error, queue))?,
            Err(Unanswered::Broken(error)) => passing(error)?,
        };
        if !tries.again().await {
            return Err(connection.unreachable(queue, reason));
        }
    }
}

fn passing(error: BrokerError) -> Result<String, QueueError> {
    match error {
        BrokerError::Passing(reason) => Ok(reason),
        BrokerError::Lasting(error) => Err(error),
    }
}
