//! Queues in the memory of one process, bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{Delivery, Queue, QueueError, QueueName, Verdict};

/// Queues for coordinator and workers in one process. Cheap to clone; clones share the queues.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    queues: Arc<Mutex<HashMap<QueueName, Arc<BoundedQueue>>>>,
    capacity: usize,
}

impl MemoryQueue {
    /// Queues that hold at most `capacity` messages each, including deliveries that are not yet acknowledged.
    pub fn new(capacity: usize) -> Self {
        Self { queues: Arc::default(), capacity }
    }

    fn queue(&self, name: &QueueName) -> Arc<BoundedQueue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name) {
            return Arc::clone(queue);
        }
        let queue = Arc::new(BoundedQueue {
            name: name.clone(),
            messages: Mutex::default(),
            ready: Semaphore::new(0),
            room: Semaphore::new(self.capacity),
        });
        queues.insert(name.clone(), Arc::clone(&queue));
        queue
    }
}

/// One queue: `ready` has a permit for each waiting message, `room` one for each free slot.
#[derive(Debug)]
struct BoundedQueue {
    name: QueueName,
    messages: Mutex<VecDeque<Message>>,
    ready: Semaphore,
    room: Semaphore,
}

#[derive(Debug)]
struct Message {
    body: Bytes,
    deliveries_before: u32,
}

impl BoundedQueue {
    fn messages(&self) -> std::sync::MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_out(self: &Arc<Self>) -> MemoryDelivery {
        let messages = self.messages().pop_front();
        let Message { body, deliveries_before } = messages.expect("`ready` has a permit for each waiting message");
        let next_deliveries_before = deliveries_before + 1;
        MemoryDelivery { queue: Arc::clone(self), body, deliveries_before, next_deliveries_before, acked: false }
    }
}

impl Queue for MemoryQueue {
    type Delivery = MemoryDelivery;

    async fn publish(&self, queue: &QueueName, body: Bytes) -> Result<(), QueueError> {
        let queue = self.queue(queue);
        let room = queue.room.acquire().await.map_err(|_| QueueError::Closed(queue.name.clone()))?;
        room.forget();
        queue.messages().push_back(Message { body, deliveries_before: 0 });
        queue.ready.add_permits(1);
        Ok(())
    }

    async fn take(&self, queue: &QueueName, _room: usize) -> Result<MemoryDelivery, QueueError> {
        let queue = self.queue(queue);
        let ready = queue.ready.acquire().await.map_err(|_| QueueError::Closed(queue.name.clone()))?;
        ready.forget();
        Ok(queue.hand_out())
    }

    fn try_take(&self, queue: &QueueName) -> Option<MemoryDelivery> {
        let queue = self.queue(queue);
        queue.ready.try_acquire().ok()?.forget();
        Some(queue.hand_out())
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

/// A message that a [`MemoryQueue`] has delivered.
#[derive(Debug)]
pub struct MemoryDelivery {
    queue: Arc<BoundedQueue>,
    body: Bytes,
    deliveries_before: u32,
    /// The count of the next delivery, unless this one is acknowledged.
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
        // There is no connection that could be lost.
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
            self.queue.room.add_permits(1);
        } else {
            let again = Message { body: self.body.clone(), deliveries_before: self.next_deliveries_before };
            self.queue.messages().push_front(again);
            self.queue.ready.add_permits(1);
        }
    }
}
