//! Queues in RabbitMQ, for coordinators and workers on any machines.
//!
//! Publishing and consuming use a connection each, because a broker that is short of memory or disk stops reading from
//! connections that publish. Both reconnect by themselves; until then `publish` and `take` wait.
//!
//! - [`publisher`]: sends until confirmed; [`consumer`]: fetches on demand; [`prefetch_buffer`]: what was fetched and not yet taken.
//! - [`connection`]: a connection that reconnects; [`session`]: one connection; [`connect`]: how it is opened.
//! - [`topology`]: names and arguments of the queues; [`inspect`]: inspects them.

mod ack_batch;
mod address;
mod backoff;
mod connect;
mod connection;
mod consumer;
mod deferred_acks;
mod delivery;
mod error;
mod expired;
mod headers;
mod inspect;
mod metrics;
mod prefetch_buffer;
mod publish_batch;
mod publisher;
mod session;
mod state;
mod topology;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::{Queue, QueueAdmin, QueueError, QueueName, Verdict};
use crate::id::RunId;
use crate::telemetry::Registry;
use address::Address;
use connection::RabbitConnection;
use consumer::Fetcher;
use prefetch_buffer::PrefetchBuffer;
use publish_batch::BatchSchedule;
use publisher::{Outgoing, Publisher};

pub use address::RabbitSettings;
pub use delivery::RabbitDelivery;
pub use inspect::{Browsed, Depth};
pub use state::BrokerState;

/// Queues in a RabbitMQ broker. Cheap to clone; clones share the connections.
///
/// [`close`](Self::close) it at the end. If it is only dropped, the broker takes the fetched messages back and counts a
/// failed delivery of each.
#[derive(Debug, Clone)]
pub struct RabbitQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    consuming: RabbitConnection,
    publishing: RabbitConnection,
    publisher: Publisher,
    schedule: Arc<BatchSchedule>,
    buffers: Mutex<HashMap<QueueName, Fetching>>,
    fetchers: TaskTracker,
    stop_fetching: CancellationToken,
    reconnectors: TaskTracker,
    hang_up: CancellationToken,
    /// Ends all tasks when the last clone is dropped.
    _ends: [DropGuard; 2],
}

/// A buffer, and the task that fetches for it.
#[derive(Debug)]
struct Fetching {
    buffer: Arc<PrefetchBuffer>,
    fetcher: JoinHandle<()>,
    stop: CancellationToken,
}

impl RabbitQueue {
    /// Connects to the broker. Fails at once if the address, the user or the virtual host is wrong, and after the
    /// settings' patience if nothing answers.
    pub async fn connect(settings: RabbitSettings) -> Result<Self, QueueError> {
        let address = Arc::new(Address::read(&settings)?);
        let (hang_up, stop_fetching) = (CancellationToken::new(), CancellationToken::new());
        let ends = [stop_fetching.clone().drop_guard(), hang_up.clone().drop_guard()];
        let reconnectors = TaskTracker::new();
        let open = |purpose: &str| {
            let name = format!("{} ({purpose})", settings.connection_name);
            RabbitConnection::open(Arc::clone(&address), name, settings.patience, (&hang_up, &reconnectors))
        };
        let (consuming, publishing) = tokio::try_join!(open("consuming"), open("publishing"))?;
        let schedule = Arc::new(BatchSchedule::new());
        let publisher = Publisher::new(publishing.clone(), TaskTracker::new(), Arc::clone(&schedule));
        let shared = Shared {
            consuming,
            publishing,
            publisher,
            schedule,
            buffers: Mutex::default(),
            fetchers: TaskTracker::new(),
            stop_fetching,
            reconnectors,
            hang_up,
            _ends: ends,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The state of the connections to the broker.
    pub fn state(&self) -> BrokerState {
        match self.shared.consuming.state() {
            BrokerState::Connected => self.shared.publishing.state(),
            other => other,
        }
    }

    /// Registers the metrics of publishing with a process's metrics; call it once.
    pub fn register(&self, registry: &Registry) {
        self.shared.publisher.metrics().register(registry);
    }

    /// Hands back what was fetched and not taken, waits until the broker has read all acknowledgements, and disconnects.
    /// Deliveries that are not yet acknowledged go back to the broker.
    pub async fn close(&self) {
        let Shared { schedule, fetchers, stop_fetching, reconnectors, hang_up, .. } = &*self.shared;
        stop_fetching.cancel();
        fetchers.close();
        fetchers.wait().await;
        // Includes channels that no consumer uses any more, whose deliveries were still being processed.
        schedule.flush_all();
        hang_up.cancel();
        reconnectors.close();
        reconnectors.wait().await;
    }

    /// Stops taking from the queues of a run: hands back what was fetched and not taken, and closes the channels. Deliveries
    /// that are not yet acknowledged go back to the broker, and waiting callers get an error that the queue is closed. A
    /// later take from these queues opens them again.
    pub async fn leave(&self, run: &RunId) {
        let of_run = |name: &QueueName, _: &mut Fetching| name.run == *run;
        let left: Vec<Fetching> = self.buffers().extract_if(of_run).map(|(_, fetching)| fetching).collect();
        for fetching in &left {
            fetching.stop.cancel();
        }
        for fetching in left {
            if let Err(error) = fetching.fetcher.await {
                tracing::error!(%run, %error, "could not hand back the messages that were fetched of a run; the broker takes them back");
            }
        }
    }

    /// Declares queues before others use them: RabbitMQ 3.10 closes the connections of consumers of a queue that is being
    /// declared.
    pub async fn declare(&self, queues: &[QueueName]) -> Result<(), QueueError> {
        for queue in queues {
            inspect::declare(&self.shared.consuming, queue).await?;
        }
        Ok(())
    }

    /// How full a queue is; `None` if the broker has no such queue.
    pub async fn depth(&self, queue: &QueueName) -> Result<Option<Depth>, QueueError> {
        inspect::depth(&self.shared.consuming, queue).await
    }

    /// Whether no message waits in a queue, or there is no such queue. Asks the queue's leader, unlike
    /// [`depth`](Self::depth), which reports 0 if the node cannot reach the leader. Not for queues that often have messages:
    /// it counts a delivery of the first one.
    pub async fn is_empty(&self, queue: &QueueName) -> Result<bool, QueueError> {
        inspect::is_empty(&self.shared.consuming, queue).await
    }

    /// Up to `most` messages from the head of a queue, without removing them; none if there is no such queue.
    ///
    /// They are delivered to this process for the moment, and back in the queue shortly after this returns. Brokers before
    /// RabbitMQ 4.3 count this as a delivery of each.
    pub async fn browse(&self, queue: &QueueName, most: usize) -> Result<Vec<Browsed>, QueueError> {
        inspect::browse(&self.shared.consuming, queue, most).await
    }

    /// Deletes a queue with its messages, and returns how many waited there. Its next user declares it again.
    pub async fn delete(&self, queue: &QueueName) -> Result<u32, QueueError> {
        inspect::delete(&self.shared.consuming, queue).await
    }

    /// Deletes the messages that wait in a queue, and returns how many there were. Delivered messages stay.
    pub async fn purge(&self, queue: &QueueName) -> Result<u32, QueueError> {
        inspect::purge(&self.shared.consuming, queue).await
    }

    fn buffer(&self, queue: &QueueName) -> Arc<PrefetchBuffer> {
        let mut buffers = self.buffers();
        if let Some(fetching) = buffers.get(queue) {
            return Arc::clone(&fetching.buffer);
        }
        let buffer = Arc::new(PrefetchBuffer::new(queue.clone()));
        let fetcher = Fetcher {
            buffer: Arc::clone(&buffer),
            connection: self.shared.consuming.clone(),
            publisher: self.shared.publisher.clone(),
            schedule: Arc::clone(&self.shared.schedule),
        };
        let stop = self.shared.stop_fetching.child_token();
        let fetcher = self.shared.fetchers.spawn(fetcher.run(stop.clone()));
        buffers.insert(queue.clone(), Fetching { buffer: Arc::clone(&buffer), fetcher, stop });
        buffer
    }

    fn buffers(&self) -> std::sync::MutexGuard<'_, HashMap<QueueName, Fetching>> {
        self.shared.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue for RabbitQueue {
    type Delivery = RabbitDelivery;

    fn most_bytes(&self) -> usize {
        self.shared.publisher.most_bytes()
    }

    async fn publish(&self, queue: &QueueName, body: Bytes) -> Result<(), QueueError> {
        let outgoing = Outgoing { queue: queue.clone(), body, deliveries_before: 0 };
        self.shared.publisher.publish(outgoing).await
    }

    async fn take(&self, queue: &QueueName, room: usize) -> Result<RabbitDelivery, QueueError> {
        self.buffer(queue).take(room).await
    }

    fn try_take(&self, queue: &QueueName) -> Option<RabbitDelivery> {
        let buffer = self.buffers().get(queue).map(|fetching| Arc::clone(&fetching.buffer));
        buffer?.try_take()
    }

    async fn hand_back(&self, queue: &QueueName, delivery: RabbitDelivery, verdict: Verdict) -> Result<(), QueueError> {
        self.shared.publisher.hand_back(queue, delivery, verdict).await
    }
}

impl QueueAdmin for RabbitQueue {
    async fn declare(&self, queues: &[QueueName]) -> Result<(), QueueError> {
        self.declare(queues).await
    }

    async fn depth(&self, queue: &QueueName) -> Result<Option<Depth>, QueueError> {
        self.depth(queue).await
    }

    async fn is_empty(&self, queue: &QueueName) -> Result<bool, QueueError> {
        self.is_empty(queue).await
    }

    async fn browse(&self, queue: &QueueName, most: usize) -> Result<Vec<Browsed>, QueueError> {
        self.browse(queue, most).await
    }

    async fn revive_expired(&self, run: &RunId, most: usize) -> Result<u32, QueueError> {
        expired::revive(&self.shared.consuming, &self.shared.publisher, (run, most)).await
    }

    async fn delete(&self, queue: &QueueName) -> Result<u32, QueueError> {
        self.delete(queue).await
    }

    async fn leave(&self, run: &RunId) {
        self.leave(run).await;
    }

    async fn close(&self) {
        self.close().await;
    }

    fn problem(&self) -> Option<String> {
        self.state().problem()
    }
}
