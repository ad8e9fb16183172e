//! Looks at queues for operators, each time on a channel of its own, because a missing queue ends the channel.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::Channel;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::error::{BrokerError, is_missing};
use super::headers::deliveries_before;
use super::link::Link;
use super::session::{ANSWER_WITHIN, Session};
use super::topology::broker_name;
use crate::queue::{QueueError, QueueName};

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait; not those on loan.
    pub messages: u32,
    /// Consumers: workers that wait for messages. Those that have as many on loan as they have room for are none.
    pub consumers: u32,
}

/// A message that was looked at and left where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browsed {
    /// The message.
    pub body: Bytes,
    /// How often it was delivered before.
    pub deliveries_before: u32,
}

/// How often something is tried at least that broke off half-way.
const TRIES: u32 = 3;

/// How long it is tried at least: a connection that broke is made anew meanwhile.
const TRIED_FOR: Duration = Duration::from_secs(5);

/// What is left of the tries.
struct Tries {
    number: u32,
    until: Instant,
    backoff: Backoff,
}

impl Tries {
    fn new() -> Self {
        Self { number: 1, until: Instant::now() + TRIED_FOR, backoff: Backoff::default() }
    }

    /// Whether to try again; waits a moment before.
    async fn again(&mut self) -> bool {
        if self.number >= TRIES && Instant::now() >= self.until {
            return false;
        }
        self.number += 1;
        self.backoff.pause().await;
        true
    }
}

/// Sees to it that the queue is there.
pub(super) async fn declare(link: &Link, queue: &QueueName) -> Result<(), QueueError> {
    let mut tries = Tries::new();
    loop {
        let reason = match link.session_soon(queue).await?.declare(queue).await {
            Ok(()) => return Ok(()),
            Err(trouble) => passing(trouble)?,
        };
        if !tries.again().await {
            return Err(link.unreachable(queue, reason));
        }
    }
}

/// How full the queue is; `None` where there is no such queue.
pub(super) async fn depth(link: &Link, queue: &QueueName) -> Result<Option<Depth>, QueueError> {
    let name = broker_name(queue)?;
    let look = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move {
            let passive = QueueDeclareOptions::durable().passive();
            ask(&session, channel.queue_declare(name, passive, FieldTable::default())).await
        }
    };
    let found = on_queue(link, queue, look).await?;
    Ok(found.map(|found| Depth { messages: found.message_count(), consumers: found.consumer_count() }))
}

/// Whether no message waits in the queue, by its leader's word: a number is not one, as the broker says none where it cannot
/// ask. A message that is there is given back, and counts as delivered.
pub(super) async fn is_empty(link: &Link, queue: &QueueName) -> Result<bool, QueueError> {
    Ok(depth(link, queue).await?.is_none_or(|depth| depth.messages == 0) && browse(link, queue, 1).await?.is_empty())
}

/// Up to `most` messages from the head of the queue, which stay there.
pub(super) async fn browse(link: &Link, queue: &QueueName, most: usize) -> Result<Vec<Browsed>, QueueError> {
    let name = broker_name(queue)?;
    let look = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move { first_messages(&session, &channel, name, most).await }
    };
    Ok(on_queue(link, queue, look).await?.unwrap_or_default())
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
        seen.push(Browsed { body: Bytes::from(delivery.data), deliveries_before });
    }
    if let Some(tag) = last {
        ask(session, channel.basic_nack(tag, BasicNackOptions { multiple: true, requeue: true })).await?;
    }
    Ok(seen)
}

/// Deletes the queue and all that is in it; how many messages waited there.
pub(super) async fn delete(link: &Link, queue: &QueueName) -> Result<u32, QueueError> {
    let name = broker_name(queue)?;
    let delete = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move { ask(&session, channel.queue_delete(name, QueueDeleteOptions::default())).await }
    };
    Ok(on_queue(link, queue, delete).await?.unwrap_or(0))
}

/// Forgets the messages that wait in the queue; how many there were.
pub(super) async fn purge(link: &Link, queue: &QueueName) -> Result<u32, QueueError> {
    let name = broker_name(queue)?;
    let purge = |session: Arc<Session>, channel: Channel| {
        let name = name.clone();
        async move { ask(&session, channel.queue_purge(name, QueuePurgeOptions::default())).await }
    };
    Ok(on_queue(link, queue, purge).await?.unwrap_or(0))
}

/// Why a request did not do what it was to do.
enum Unanswered {
    /// The broker's answer was no.
    Refused(lapin::Error),
    /// There was none.
    Broken(BrokerError),
}

impl From<BrokerError> for Unanswered {
    fn from(trouble: BrokerError) -> Self {
        Self::Broken(trouble)
    }
}

/// Makes one request. Each has its limit, as there may be thousands.
async fn ask<T>(session: &Session, request: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, Unanswered> {
    session.within(ANSWER_WITHIN, request).await?.map_err(Unanswered::Refused)
}

/// Does something on a channel of its own; `None` where there is no such queue.
async fn on_queue<T, F: Future<Output = Result<T, Unanswered>>>(
    link: &Link,
    queue: &QueueName,
    act: impl Fn(Arc<Session>, Channel) -> F,
) -> Result<Option<T>, QueueError> {
    let mut tries = Tries::new();
    loop {
        let session = link.session_soon(queue).await?;
        let acted = async { act(Arc::clone(&session), session.channel().await?).await };
        let reason = match acted.await {
            Ok(found) => return Ok(Some(found)),
            Err(Unanswered::Refused(error)) if is_missing(&error) => return Ok(None),
            Err(Unanswered::Refused(error)) => passing(BrokerError::of_queue(error, queue))?,
            Err(Unanswered::Broken(trouble)) => passing(trouble)?,
        };
        if !tries.again().await {
            return Err(link.unreachable(queue, reason));
        }
    }
}

fn passing(trouble: BrokerError) -> Result<String, QueueError> {
    match trouble {
        BrokerError::Passing(reason) => Ok(reason),
        BrokerError::Lasting(error) => Err(error),
    }
}
