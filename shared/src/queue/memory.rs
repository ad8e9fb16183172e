//! Queues in the memory of one process, bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{Delivery, Queue, QueueError, QueueName, Verdict};

/// Queues for coordinator and workers in one process. Cheap to clone; clones share the queues.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    lanes: Arc<Mutex<HashMap<QueueName, Arc<MemoryLane>>>>,
    capacity: usize,
}

impl MemoryQueue {
    /// Queues that hold at most `capacity` messages each, deliveries on loan included.
    pub fn new(capacity: usize) -> Self {
        Self { lanes: Arc::default(), capacity }
    }

    fn lane(&self, name: &QueueName) -> Arc<MemoryLane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(name) {
            return Arc::clone(lane);
        }
        let lane = Arc::new(MemoryLane {
            name: name.clone(),
            waiting: Mutex::default(),
            ready: Semaphore::new(0),
            room: Semaphore::new(self.capacity),
        });
        lanes.insert(name.clone(), Arc::clone(&lane));
        lane
    }
}

/// One queue: `ready` has a permit for each message that waits, `room` one for each that would still fit.
#[derive(Debug)]
struct MemoryLane {
    name: QueueName,
    waiting: Mutex<VecDeque<Waiting>>,
    ready: Semaphore,
    room: Semaphore,
}

#[derive(Debug)]
struct Waiting {
    body: Bytes,
    deliveries_before: u32,
}

impl MemoryLane {
    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_out(self: &Arc<Self>) -> MemoryDelivery {
        let waiting = self.waiting().pop_front();
        let Waiting { body, deliveries_before } = waiting.expect("a permit of `ready` stands for a message");
        let next_deliveries_before = deliveries_before + 1;
        MemoryDelivery { lane: Arc::clone(self), body, deliveries_before, next_deliveries_before, acked: false }
    }
}

impl Queue for MemoryQueue {
    type Delivery = MemoryDelivery;

    async fn publish(&self, queue: &QueueName, body: Bytes) -> Result<(), QueueError> {
        let lane = self.lane(queue);
        let room = lane.room.acquire().await.map_err(|_| QueueError::Closed(lane.name.clone()))?;
        room.forget();
        lane.waiting().push_back(Waiting { body, deliveries_before: 0 });
        lane.ready.add_permits(1);
        Ok(())
    }

    async fn take(&self, queue: &QueueName, _room: usize) -> Result<MemoryDelivery, QueueError> {
        let lane = self.lane(queue);
        let ready = lane.ready.acquire().await.map_err(|_| QueueError::Closed(lane.name.clone()))?;
        ready.forget();
        Ok(lane.hand_out())
    }

    fn try_take(&self, queue: &QueueName) -> Option<MemoryDelivery> {
        let lane = self.lane(queue);
        lane.ready.try_acquire().ok()?.forget();
        Some(lane.hand_out())
    }

    async fn hand_back(&self, _: &QueueName, mut delivery: MemoryDelivery, verdict: Verdict) -> Result<(), QueueError> {
        delivery.next_deliveries_before = match verdict {
            Verdict::Harmless => 0,
            Verdict::Unknown => delivery.deliveries_before,
        };
        drop(delivery);
        Ok(())
    }
}

/// A message on loan from a [`MemoryQueue`].
#[derive(Debug)]
pub struct MemoryDelivery {
    lane: Arc<MemoryLane>,
    body: Bytes,
    deliveries_before: u32,
    /// What the next delivery has in place of that, unless this one is acknowledged.
    next_deliveries_before: u32,
    acked: bool,
}

impl Delivery for MemoryDelivery {
    fn body(&self) -> &Bytes {
        &self.body
    }

    fn deliveries_before(&self) -> u32 {
        self.deliveries_before
    }

    fn gone(&self) -> impl Future<Output = ()> + Send + 'static {
        // One process does not lose sight of itself.
        std::future::pending()
    }

    async fn ack(mut self) -> Result<(), QueueError> {
        self.acked = true;
        Ok(())
    }
}

impl Drop for MemoryDelivery {
    fn drop(&mut self) {
        if self.acked {
            self.lane.room.add_permits(1);
        } else {
            let again = Waiting { body: self.body.clone(), deliveries_before: self.next_deliveries_before };
            self.lane.waiting().push_front(again);
            self.lane.ready.add_permits(1);
        }
    }
}
