//! Where tasks and outcomes wait: the queue port, implemented in memory and by RabbitMQ.

mod admin;
mod memory;
mod rabbit;

use std::fmt;
use std::future::Future;

use bytes::Bytes;

use crate::id::{ModelId, RunId};

pub use admin::QueueAdmin;
pub use memory::MemoryQueue;
pub use rabbit::{BrokerState, Browsed, Depth, RabbitDelivery, RabbitQueue, RabbitSettings};

/// A queue of one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueName {
    /// The run.
    pub run: RunId,
    /// Which of the run's queues.
    pub kind: QueueKind,
}

/// The queues of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// Story tasks for one model.
    Story(ModelId),
    /// CAB tasks for one model. Workers prefer these, so that cells finish.
    Cab(ModelId),
    /// Tasks for one model that were delivered before and never finished: one of them may have killed its worker. Each worker
    /// does one of these at a time, so that a task that kills its worker affects no other task.
    Quarantine(ModelId),
    /// Tasks for one model in a later version of the message than the first, for workers that can read it. Workers of an older
    /// release leave them alone.
    NextVersion(ModelId, u16),
    /// Outcomes of finished cells, for the coordinator.
    Results,
    /// Dead letters: messages that could not be processed, kept for people to inspect.
    Dead,
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            QueueKind::Story(model) => write!(f, "{}.{}.story", self.run, model.0),
            QueueKind::Cab(model) => write!(f, "{}.{}.cab", self.run, model.0),
            QueueKind::Quarantine(model) => write!(f, "{}.{}.suspects", self.run, model.0),
            QueueKind::NextVersion(model, version) => write!(f, "{}.{}.v{version}", self.run, model.0),
            QueueKind::Results => write!(f, "{}.results", self.run),
            QueueKind::Dead => write!(f, "{}.dead", self.run),
        }
    }
}

/// Why a queue operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue was closed because the run ends.
    #[error("queue {0} is closed")]
    Closed(QueueName),
    /// The broker's address cannot be parsed, or its certificate file cannot be read.
    #[error("use the RabbitMQ address: {0}")]
    Address(String),
    /// No connection to the broker could be made.
    #[error("connect to RabbitMQ at {address}: {reason}; {advice}")]
    Connect {
        /// Where, without the password.
        address: String,
        /// What went wrong.
        reason: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The broker cannot be reached now; operations that wait for it go on when it is back.
    #[error("reach RabbitMQ at {address} for queue {queue}: {reason}")]
    Unreachable {
        /// Where, without the password.
        address: String,
        /// For which queue.
        queue: QueueName,
        /// What went wrong last.
        reason: String,
    },
    /// The queue exists with arguments that differ from those that this program declares.
    #[error(
        "queue {queue} exists in RabbitMQ with other arguments than this program uses: delete it with `valuesim purge \
         {run} --yes` or in RabbitMQ's management, or use another virtual host; RabbitMQ says: {reason}"
    )]
    OtherArguments {
        /// The queue's name in the broker.
        queue: String,
        /// The run that it belongs to.
        run: RunId,
        /// The reason that the broker gives.
        reason: String,
    },
    /// The broker refuses the operation.
    #[error("use queue {queue} in RabbitMQ: {reason}")]
    Refused {
        /// The queue's name in the broker.
        queue: String,
        /// The reason that the broker gives.
        reason: String,
    },
    /// The queue was deleted each time that it was declared.
    #[error(
        "publish to queue {queue} in RabbitMQ: it was declared {times} times and deleted each time; find out who deletes it"
    )]
    Unroutable {
        /// The queue's name in the broker.
        queue: String,
        /// How often it was declared.
        times: u32,
    },
    /// The message is larger than brokers accept.
    #[error(
        "publish to queue {queue}: the message has {bytes} bytes, and the broker takes at most {most}; raise max_message_size in \
         RabbitMQ's configuration (16 MiB are enough)"
    )]
    TooLarge {
        /// The queue.
        queue: QueueName,
        /// Size of the message.
        bytes: usize,
        /// The largest size that the broker accepts.
        most: usize,
    },
}

/// Queues that keep a message until its delivery is acknowledged.
///
/// Delivery is at least once: a delivery that is dropped without an acknowledgement is delivered again, perhaps to another
/// process.
pub trait Queue: Clone + Send + Sync + 'static {
    /// A delivered message.
    type Delivery: Delivery;

    /// The longest message that it takes, in bytes.
    fn most_bytes(&self) -> usize {
        usize::MAX
    }

    /// Puts a message into a queue. Waits while the queue is full, and returns once the message is stored there.
    fn publish(&self, queue: &QueueName, body: Bytes) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Takes the next message; waits while there is none. Dropping the future loses no message.
    ///
    /// `room` is how many messages the caller could take now; up to that many may be fetched together.
    fn take(&self, queue: &QueueName, room: usize) -> impl Future<Output = Result<Self::Delivery, QueueError>> + Send;

    /// Takes the next message if one is ready in this process, for example because an earlier `take` fetched it.
    fn try_take(&self, queue: &QueueName) -> Option<Self::Delivery>;

    /// Returns a message that could not be finished although nothing is wrong with it, for others to take. Unlike a dropped
    /// delivery it does not count as failed where the queue limits failed deliveries.
    fn hand_back(
        &self,
        queue: &QueueName,
        delivery: Self::Delivery,
        verdict: Verdict,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// What is known about a message that is handed back, for queues that count deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was processed, and the worker survived: it did not kill the workers that had it before, either.
    Harmless,
    /// It was not processed: it keeps its delivery count.
    Unknown,
}

/// A message that a queue has delivered.
pub trait Delivery: Send + 'static {
    /// The message.
    fn body(&self) -> &Bytes;

    /// How often the message was delivered before and not acknowledged, as far as the queue knows.
    fn deliveries_before(&self) -> u32;

    /// Returns once the queue has taken the message back because the connection to this process is lost. The message is then
    /// delivered again, and work on it here should stop.
    fn gone(&self) -> impl Future<Output = ()> + Send + 'static;

    /// Acknowledges the message as processed: the queue forgets it.
    fn ack(self) -> impl Future<Output = Result<(), QueueError>> + Send;
}
