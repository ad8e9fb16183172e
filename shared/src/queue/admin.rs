//! Administration of a run's queues: the port through which a fleet declares, inspects and removes them.

use std::future::Future;

use super::{Browsed, Depth, Queue, QueueError, QueueName};
use crate::id::RunId;

/// A queue whose messages outlive the processes that use it.
pub trait QueueAdmin: Queue {
    /// Declares queues before others use them.
    fn declare(&self, queues: &[QueueName]) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// How full a queue is; `None` if there is no such queue. A node that cannot reach the queue's leader reports 0
    /// messages, so decisions use [`is_empty`](Self::is_empty).
    fn depth(&self, queue: &QueueName) -> impl Future<Output = Result<Option<Depth>, QueueError>> + Send;

    /// Whether no message waits in a queue, or there is no such queue. Asks the queue's leader.
    fn is_empty(&self, queue: &QueueName) -> impl Future<Output = Result<bool, QueueError>> + Send;

    /// Up to `most` messages from the head of a queue, without removing them.
    fn browse(&self, queue: &QueueName, most: usize) -> impl Future<Output = Result<Vec<Browsed>, QueueError>> + Send;

    /// Puts those of the first `most` dead letters of `run` that expired back into the queues that they came from, and returns how
    /// many there were.
    fn revive_expired(&self, run: &RunId, most: usize) -> impl Future<Output = Result<u32, QueueError>> + Send;

    /// Deletes a queue with its messages, and returns how many messages waited there.
    fn delete(&self, queue: &QueueName) -> impl Future<Output = Result<u32, QueueError>> + Send;

    /// Stops taking from the queues of a run, and hands back what was fetched and not taken.
    fn leave(&self, run: &RunId) -> impl Future<Output = ()> + Send;

    /// Hands back what was fetched and not taken, and disconnects.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// What is wrong with the broker at the moment, if anything is.
    fn problem(&self) -> Option<String>;
}
