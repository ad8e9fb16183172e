//! A broker that stops, forgets, blocks and stalls: no message is lost, and everything goes on by itself.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use valuesim_shared::queue::{BrokerState, Delivery as _, Queue as _, RabbitQueue};
use valuesim_test_servers::{Broker, Proxy, shared_broker};

use crate::support::{connect, story, until};

/// Messages of one test: enough that a fault meets them at every stage.
const MESSAGES: usize = 3_000;

/// Publishes all messages, some hundreds at once.
fn publish_all(queue: &RabbitQueue) -> JoinHandle<()> {
    let queue = queue.clone();
    tokio::spawn(async move {
        for start in (0..MESSAGES).step_by(300) {
            let some = (start..start + 300).map(|number| queue.publish(story(), Bytes::from(number.to_string())));
            for published in join_all(some).await {
                published.expect("published");
            }
        }
    })
}

/// Takes until every message came once; what comes twice is fine.
fn take_all(queue: &RabbitQueue) -> JoinHandle<()> {
    let queue = queue.clone();
    tokio::spawn(async move {
        let mut seen = HashSet::new();
        while seen.len() < MESSAGES {
            let delivery = queue.take(story(), 50).await.expect("a message");
            seen.insert(delivery.body().clone());
            delivery.ack().await.expect("acknowledged");
        }
    })
}

async fn all_arrive(publishing: JoinHandle<()>, taking: JoinHandle<()>) {
    let both = async { tokio::try_join!(publishing, taking) };
    timeout(Duration::from_mins(2), both).await.expect("all messages arrive in time").expect("no task failed");
}

/// Waits until a part of the traffic is through.
async fn mid_traffic(publishing: &JoinHandle<()>, queue: &RabbitQueue) {
    until("messages are on their way", async || {
        matches!(queue.depth(story()).await, Ok(Some(depth)) if depth.messages > 0) || publishing.is_finished()
    })
    .await;
}

async fn is_reconnecting(queue: &RabbitQueue) {
    until("the loss is noticed", async || matches!(queue.state(), BrokerState::Reconnecting { .. })).await;
}

async fn is_connected(queue: &RabbitQueue) {
    until("it is connected again", async || queue.state() == BrokerState::Connected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_and_starts_loses_no_message() {
    let mut broker = Broker::start().await.expect("a broker");
    let url = broker.new_vhost().await.expect("a virtual host");
    let queue = connect(&url).await;
    let (publishing, taking) = (publish_all(&queue), take_all(&queue));
    mid_traffic(&publishing, &queue).await;
    broker.stop().await.expect("stopped");
    is_reconnecting(&queue).await;
    broker.start_again().await.expect("started");
    all_arrive(publishing, taking).await;
    is_connected(&queue).await;
    let publishing = publish_all(&queue);
    broker.kill();
    broker.start_again().await.expect("started");
    all_arrive(publishing, take_all(&queue)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_lost_everything_gets_its_queues_again() {
    let mut broker = Broker::start().await.expect("a broker");
    let url = broker.new_vhost().await.expect("a virtual host");
    let queue = connect(&url).await;
    queue.publish(story(), Bytes::from("lost")).await.expect("published");
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move {
            queue.take(story(), 1).await.expect("a message").ack().await.expect("acknowledged");
            queue.take(story(), 1).await.expect("a message").body().clone()
        }
    });
    until("the first is taken", async || matches!(queue.depth(story()).await, Ok(Some(depth)) if depth.messages == 0))
        .await;
    broker.kill_and_wipe().expect("wiped");
    is_reconnecting(&queue).await;
    broker.start_again().await.expect("started");
    queue.publish(story(), Bytes::from("after")).await.expect("published");
    let came = timeout(Duration::from_mins(2), waiting).await.expect("in time").expect("taken");
    assert_eq!(came, "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_again_and_again_lose_no_message() {
    let vhost = shared_broker().await;
    let (proxy, url) = Proxy::in_front_of(&vhost.url).await.expect("a proxy");
    let queue = connect(&url).await;
    let (publishing, taking) = (publish_all(&queue), take_all(&queue));
    for _ in 0..3 {
        mid_traffic(&publishing, &queue).await;
        proxy.cut().await;
        is_reconnecting(&queue).await;
        proxy.heal().await;
        is_connected(&queue).await;
    }
    all_arrive(publishing, taking).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stalls_is_noticed_and_made_anew() {
    let vhost = shared_broker().await;
    let (proxy, url) = Proxy::in_front_of(&vhost.url).await.expect("a proxy");
    let queue = connect(&format!("{url}?heartbeat=1")).await;
    let (publishing, taking) = (publish_all(&queue), take_all(&queue));
    mid_traffic(&publishing, &queue).await;
    proxy.stall().await;
    is_reconnecting(&queue).await;
    proxy.heal().await;
    all_arrive(publishing, taking).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_a_connection_that_is_gone_comes_again_and_its_ack_does_nothing() {
    let vhost = shared_broker().await;
    let (proxy, url) = Proxy::in_front_of(&vhost.url).await.expect("a proxy");
    let queue = connect(&url).await;
    queue.publish(story(), Bytes::from("twice")).await.expect("published");
    let before = queue.take(story(), 1).await.expect("a message");
    proxy.cut().await;
    is_reconnecting(&queue).await;
    proxy.heal().await;
    let again = queue.take(story(), 1).await.expect("a message");
    assert_eq!(before.ack().await, Ok(()));
    assert_eq!(again.body(), "twice");
    again.ack().await.expect("acknowledged");
    until("it is gone", async || matches!(queue.depth(story()).await, Ok(Some(depth)) if depth.messages == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_memory_blocks_publishing_and_not_taking() {
    let broker = Broker::start().await.expect("a broker");
    let queue = connect(&broker.url()).await;
    queue.publish(story(), Bytes::from("before")).await.expect("published");
    broker.raise_memory_alarm().await.expect("raised");
    let publishing = tokio::spawn({
        let queue = queue.clone();
        async move { queue.publish(story(), Bytes::from("during")).await }
    });
    until("the block is seen", async || matches!(queue.state(), BrokerState::Blocked { .. })).await;
    let taken = queue.take(story(), 1).await.expect("a message");
    assert_eq!(taken.body(), "before");
    taken.ack().await.expect("acknowledged");
    assert!(!publishing.is_finished(), "a blocked broker confirms nothing");
    broker.clear_memory_alarm().await.expect("cleared");
    publishing.await.expect("published").expect("published");
    is_connected(&queue).await;
    assert_eq!(queue.take(story(), 1).await.expect("a message").body(), "during");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_somebody_deleted_is_declared_again() {
    // RabbitMQ 3.10 fails in places where a queue is deleted in mid-traffic, so the broker is nobody else's.
    let broker = Broker::start().await.expect("a broker");
    let queue = connect(&broker.url()).await;
    queue.publish(story(), Bytes::from("first")).await.expect("published");
    let taking = tokio::spawn({
        let queue = queue.clone();
        async move {
            let mut seen = HashSet::new();
            while !seen.contains(&b"last"[..]) {
                let delivery = queue.take(story(), 10).await.expect("a message");
                seen.insert(delivery.body().clone());
                delivery.ack().await.expect("acknowledged");
            }
        }
    });
    let publishing = async {
        for round in 0..3 {
            let many = (0..100).map(|number| queue.publish(story(), Bytes::from(format!("{round} {number}"))));
            let (published, deleted) = tokio::join!(join_all(many), queue.delete(story()));
            deleted.expect("deleted");
            for published in published {
                published.expect("published");
            }
        }
        queue.publish(story(), Bytes::from("last")).await.expect("published");
    };
    // A publish that the broker forgot, and a consumer that it forgot, are each noticed after half a minute.
    timeout(Duration::from_mins(4), publishing).await.expect("published in time");
    timeout(Duration::from_mins(2), taking).await.expect("in time").expect("taken");
}
