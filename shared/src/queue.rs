//! Where tasks and outcomes wait: the port that a memory queue and a broker both implement.

mod memory;

use std::fmt;
use std::future::Future;

use bytes::Bytes;

use crate::id::{ModelId, RunId};

pub use memory::MemoryQueue;

/// A queue of one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueName {
    /// The run.
    pub run: RunId,
    /// Which of the run's queues.
    pub lane: Lane,
}

/// The queues of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Story tasks for one model.
    Story(ModelId),
    /// CAB tasks for one model. Workers prefer them, so that cells finish.
    Cab(ModelId),
    /// Outcomes of finished cells, for the coordinator.
    Results,
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lane {
            Lane::Story(model) => write!(f, "{}.{}.story", self.run, model.0),
            Lane::Cab(model) => write!(f, "{}.{}.cab", self.run, model.0),
            Lane::Results => write!(f, "{}.results", self.run),
        }
    }
}

/// Why a queue did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue was closed because the run ends.
    #[error("queue {0} is closed")]
    Closed(QueueName),
}

/// Queues that keep a message until its delivery is acknowledged.
///
/// A delivery that is dropped without a word is delivered again, to somebody else perhaps: at least once, never lost.
pub trait Queue: Clone + Send + Sync + 'static {
    /// A message on loan.
    type Delivery: Delivery;

    /// Puts a message into a queue; waits while the queue is full; returns once the message is safe there.
    fn publish(&self, queue: &QueueName, body: Bytes) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Takes the next message; waits while there is none. Dropping the future loses no message.
    fn take(&self, queue: &QueueName) -> impl Future<Output = Result<Self::Delivery, QueueError>> + Send;

    /// Takes the next message if one is ready.
    fn try_take(&self, queue: &QueueName) -> Option<Self::Delivery>;
}

/// A message on loan from a queue.
pub trait Delivery: Send + 'static {
    /// The message.
    fn body(&self) -> &Bytes;

    /// Says that the message is dealt with: the queue forgets it.
    fn ack(self) -> impl Future<Output = Result<(), QueueError>> + Send;
}
