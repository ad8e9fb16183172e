//! Queues in the memory of one process, bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{Delivery, Queue, QueueError, QueueName};

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
    waiting: Mutex<VecDeque<Bytes>>,
    ready: Semaphore,
    room: Semaphore,
}

impl MemoryLane {
    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Bytes>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_out(self: &Arc<Self>) -> MemoryDelivery {
        let body = self.waiting().pop_front().expect("a permit of `ready` stands for a message");
        MemoryDelivery { lane: Arc::clone(self), body, acked: false }
    }
}

impl Queue for MemoryQueue {
    type Delivery = MemoryDelivery;

    async fn publish(&self, queue: &QueueName, body: Bytes) -> Result<(), QueueError> {
        let lane = self.lane(queue);
        let room = lane.room.acquire().await.map_err(|_| QueueError::Closed(lane.name.clone()))?;
        room.forget();
        lane.waiting().push_back(body);
        lane.ready.add_permits(1);
        Ok(())
    }

    async fn take(&self, queue: &QueueName) -> Result<MemoryDelivery, QueueError> {
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
}

/// A message on loan from a [`MemoryQueue`].
#[derive(Debug)]
pub struct MemoryDelivery {
    lane: Arc<MemoryLane>,
    body: Bytes,
    acked: bool,
}

impl Delivery for MemoryDelivery {
    fn body(&self) -> &Bytes {
        &self.body
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
            self.lane.waiting().push_front(self.body.clone());
            self.lane.ready.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::id::{ModelId, RunId};
    use crate::queue::Lane;

    fn story() -> QueueName {
        QueueName { run: RunId("r1".to_owned()), lane: Lane::Story(ModelId(0)) }
    }

    async fn publish(queue: &MemoryQueue, body: &'static [u8]) {
        queue.publish(&story(), Bytes::from_static(body)).await.expect("open");
    }

    #[tokio::test]
    async fn messages_come_in_order_and_only_from_their_own_queue() {
        let queue = MemoryQueue::new(8);
        publish(&queue, b"first").await;
        publish(&queue, b"second").await;
        let cab = QueueName { lane: Lane::Cab(ModelId(0)), ..story() };
        assert!(queue.try_take(&cab).is_none());
        for expected in [&b"first"[..], b"second"] {
            let delivery = queue.take(&story()).await.expect("open");
            assert_eq!(delivery.body(), expected);
            delivery.ack().await.expect("open");
        }
        assert!(queue.try_take(&story()).is_none());
    }

    #[tokio::test]
    async fn a_dropped_delivery_comes_back_first() {
        let queue = MemoryQueue::new(8);
        publish(&queue, b"first").await;
        publish(&queue, b"second").await;
        drop(queue.try_take(&story()));
        assert_eq!(queue.try_take(&story()).expect("ready").body(), &b"first"[..]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_makes_the_publisher_wait_until_an_ack() {
        let queue = MemoryQueue::new(1);
        publish(&queue, b"first").await;
        let on_loan = queue.try_take(&story()).expect("ready");
        let waiting = tokio::time::timeout(Duration::from_mins(1), publish(&queue, b"second")).await;
        assert!(waiting.is_err(), "a delivery on loan still takes its place");
        on_loan.ack().await.expect("open");
        publish(&queue, b"second").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_take_loses_nothing() {
        let queue = MemoryQueue::new(1);
        let cancelled = tokio::time::timeout(Duration::from_secs(1), queue.take(&story())).await;
        assert!(cancelled.is_err());
        publish(&queue, b"first").await;
        assert!(queue.try_take(&story()).is_some());
    }
}
