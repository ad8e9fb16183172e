//! The queues in memory.

use std::future::{Ready, ready};
use std::time::Duration;

use bytes::Bytes;
use valuesim_shared::queue::{Delivery as _, MemoryQueue, Queue as _};

use crate::conformance::conforms;
use crate::support::story;

fn fresh() -> Ready<(MemoryQueue, ())> {
    ready((MemoryQueue::new(10_000), ()))
}

conforms!(fresh);

#[tokio::test]
async fn a_dropped_delivery_comes_back_first() {
    let queue = MemoryQueue::new(8);
    for body in ["first", "second"] {
        queue.publish(story(), Bytes::from(body)).await.expect("open");
    }
    drop(queue.try_take(story()));
    assert_eq!(queue.try_take(story()).expect("ready").body(), &b"first"[..]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_the_publisher_wait_until_an_ack() {
    let queue = MemoryQueue::new(1);
    queue.publish(story(), Bytes::from("first")).await.expect("open");
    let on_loan = queue.try_take(story()).expect("ready");
    let second = || queue.publish(story(), Bytes::from("second"));
    let waiting = tokio::time::timeout(Duration::from_mins(2), second()).await;
    assert!(waiting.is_err(), "a delivery on loan still takes its place");
    on_loan.ack().await.expect("open");
    second().await.expect("open");
}
