//! Looks at queues for operators, each time on a channel of its own, because a missing queue ends the channel.

use bytes::Bytes;
use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::FieldTable;

use super::headers::deliveries_before;
use super::link::Link;
use super::topology::broker_name;
use super::trouble::{Trouble, is_missing};
use crate::queue::{QueueError, QueueName};

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait; not those on loan.
    pub messages: u32,
    /// Consumers: workers that wait for messages, or have some on loan.
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

/// How full the queue is; `None` where there is no such queue.
pub(super) async fn depth(link: &Link, queue: &QueueName) -> Result<Option<Depth>, QueueError> {
    let name = broker_name(queue)?;
    let channel = channel(link, queue).await?;
    let passive = QueueDeclareOptions::durable().passive();
    match channel.queue_declare(name, passive, FieldTable::default()).await {
        Ok(found) => Ok(Some(Depth { messages: found.message_count(), consumers: found.consumer_count() })),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failed(link, queue, error)),
    }
}

/// Up to `most` messages from the head of the queue, which stay there.
pub(super) async fn browse(link: &Link, queue: &QueueName, most: usize) -> Result<Vec<Browsed>, QueueError> {
    let name = broker_name(queue)?;
    let channel = channel(link, queue).await?;
    let mut seen = Vec::new();
    let mut last = None;
    while seen.len() < most {
        let message = match channel.basic_get(name.clone(), BasicGetOptions::default()).await {
            Ok(Some(message)) => message.delivery,
            Ok(None) => break,
            Err(error) if is_missing(&error) => break,
            Err(error) => return Err(failed(link, queue, error)),
        };
        last = Some(message.delivery_tag);
        let deliveries_before = deliveries_before(&message.properties);
        seen.push(Browsed { body: Bytes::from(message.data), deliveries_before });
    }
    if let Some(tag) = last {
        let all_to_here = BasicNackOptions { multiple: true, requeue: true };
        channel.basic_nack(tag, all_to_here).await.map_err(|error| failed(link, queue, error))?;
    }
    Ok(seen)
}

/// Deletes the queue and all that is in it; how many messages waited there.
pub(super) async fn delete(link: &Link, queue: &QueueName) -> Result<u32, QueueError> {
    let name = broker_name(queue)?;
    let channel = channel(link, queue).await?;
    match channel.queue_delete(name, QueueDeleteOptions::default()).await {
        Ok(messages) => Ok(messages),
        Err(error) if is_missing(&error) => Ok(0),
        Err(error) => Err(failed(link, queue, error)),
    }
}

/// Forgets the messages that wait in the queue; how many there were.
pub(super) async fn purge(link: &Link, queue: &QueueName) -> Result<u32, QueueError> {
    let name = broker_name(queue)?;
    let channel = channel(link, queue).await?;
    match channel.queue_purge(name, QueuePurgeOptions::default()).await {
        Ok(messages) => Ok(messages),
        Err(error) if is_missing(&error) => Ok(0),
        Err(error) => Err(failed(link, queue, error)),
    }
}

async fn channel(link: &Link, queue: &QueueName) -> Result<lapin::Channel, QueueError> {
    let session = link.session_soon(queue).await?;
    session.channel().await.map_err(|trouble| said(link, queue, trouble))
}

fn failed(link: &Link, queue: &QueueName, error: lapin::Error) -> QueueError {
    said(link, queue, Trouble::of_queue(error, queue))
}

fn said(link: &Link, queue: &QueueName, trouble: Trouble) -> QueueError {
    match trouble {
        Trouble::Lasting(error) => error,
        Trouble::Passing(reason) => link.unreachable(queue, reason),
    }
}
