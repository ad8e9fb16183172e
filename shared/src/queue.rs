//! Where tasks and outcomes wait: the port that a memory queue and a broker both implement.

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
    /// CAB tasks for one model. Workers prefer them, so that cells finish.
    Cab(ModelId),
    /// Tasks for one model that were delivered before and never finished: whoever had them may have died of one of them.
    /// Each worker does one of these at a time, so that a task that kills its worker takes no others with it.
    Quarantine(ModelId),
    /// Tasks for one model in a later version of the message than the first, which workers of an older release leave to
    /// those that read it.
    NextVersion(ModelId, u16),
    /// Outcomes of finished cells, for the coordinator.
    Results,
    /// Dead letters: messages that could not be dealt with, kept for people to look at.
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

/// Why a queue did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue was closed because the run ends.
    #[error("queue {0} is closed")]
    Closed(QueueName),
    /// The broker's address cannot be read, or its certificate file.
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
    /// The broker cannot be reached now; what waits for it goes on by itself when it is back.
    #[error("reach RabbitMQ at {address} for queue {queue}: {reason}")]
    Unreachable {
        /// Where, without the password.
        address: String,
        /// For which queue.
        queue: QueueName,
        /// What went wrong last.
        reason: String,
    },
    /// The queue exists with other arguments than this program declares.
    #[error(
        "queue {queue} exists in RabbitMQ with other arguments than this program uses: delete it with `valuesim purge \
         {run}` or in RabbitMQ's management, or use another virtual host; RabbitMQ says: {reason}"
    )]
    OtherArguments {
        /// The queue's name in the broker.
        queue: String,
        /// The run that it belongs to.
        run: RunId,
        /// What the broker says.
        reason: String,
    },
    /// The broker refuses what was asked.
    #[error("use queue {queue} in RabbitMQ: {reason}")]
    Refused {
        /// The queue's name in the broker.
        queue: String,
        /// What the broker says.
        reason: String,
    },
    /// The queue went away as often as it was declared.
    #[error(
        "publish to queue {queue} in RabbitMQ: it was declared {times} times and is gone each time; see who deletes it"
    )]
    Unroutable {
        /// The queue's name in the broker.
        queue: String,
        /// How often it was declared.
        times: u32,
    },
    /// The message is larger than brokers take.
    #[error("publish to queue {queue}: the message has {bytes} bytes, at most {most} fit")]
    TooLarge {
        /// The queue.
        queue: QueueName,
        /// Size of the message.
        bytes: usize,
        /// The most that fits.
        most: usize,
    },
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
    ///
    /// `room` is how many messages the caller could take now, so that as many may be fetched together.
    fn take(&self, queue: &QueueName, room: usize) -> impl Future<Output = Result<Self::Delivery, QueueError>> + Send;

    /// Takes the next message if one is ready here: one that was fetched with an earlier `take`, say.
    fn try_take(&self, queue: &QueueName) -> Option<Self::Delivery>;

    /// Gives a message back that its taker could not finish for no fault of the message, for others to take: unlike a
    /// delivery that is dropped, it does not count as a failed one where the queue limits those.
    fn hand_back(
        &self,
        queue: &QueueName,
        delivery: Self::Delivery,
        verdict: Verdict,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// What is known of a message that is handed back, where the queue counts deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was worked on, and whoever did so lives: those who had it before did not die of it either.
    Harmless,
    /// It was not worked on: it keeps its count.
    Unknown,
}

/// A message on loan from a queue.
pub trait Delivery: Send + 'static {
    /// The message.
    fn body(&self) -> &Bytes;

    /// How often the message was delivered before without an acknowledgement, as far as the queue knows.
    fn deliveries_before(&self) -> u32;

    /// Returns once the queue has taken the message back, because it lost sight of this side: somebody else gets it then,
    /// and nothing more should be done for it here.
    fn gone(&self) -> impl Future<Output = ()> + Send + 'static;

    /// Says that the message is dealt with: the queue forgets it.
    fn ack(self) -> impl Future<Output = Result<(), QueueError>> + Send;
}
