//! Looking at queues in RabbitMQ, and clearing them.

use bytes::Bytes;
use valuesim_shared::queue::{BrokerState, Delivery as _, Queue as _, QueueKind};

use crate::support::{fresh, name, story, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_does_not_exist_is_none_and_disturbs_nobody() {
    let (queue, _vhost) = fresh().await;
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.take(story(), 1).await }
    });
    for _ in 0..3 {
        assert_eq!(queue.depth(&name(QueueKind::Results)).await, Ok(None));
        assert_eq!(queue.browse(&name(QueueKind::Results), 5).await, Ok(Vec::new()));
        assert_eq!(queue.purge(&name(QueueKind::Results)).await, Ok(0));
        assert_eq!(queue.delete(&name(QueueKind::Results)).await, Ok(0));
    }
    queue.publish(story(), Bytes::from("come")).await.expect("published");
    assert_eq!(waiting.await.expect("taken").expect("a message").body(), &b"come"[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_a_queue_that_does_not_exist_costs_no_connection() {
    let (queue, _vhost) = fresh().await;
    for _ in 0..50 {
        assert_eq!(queue.depth(&name(QueueKind::Results)).await, Ok(None));
        assert_eq!(queue.depth(&name(QueueKind::Dead)).await, Ok(None));
        assert_eq!(queue.state(), BrokerState::Connected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsing_leaves_the_messages_where_they_are() {
    let (queue, _vhost) = fresh().await;
    let dead = name(QueueKind::Dead);
    for body in ["first", "second", "third"] {
        queue.publish(&dead, Bytes::from(body)).await.expect("published");
    }
    for _ in 0..25 {
        until("the first two are at the head", async || {
            let seen = queue.browse(&dead, 2).await.expect("browsed");
            seen.iter().map(|message| &message.body[..]).eq([&b"first"[..], b"second"])
        })
        .await;
    }
    until("all are there", async || queue.browse(&dead, 10).await.expect("browsed").len() == 3).await;
    until("all are back", async || matches!(queue.depth(&dead).await, Ok(Some(depth)) if depth.messages == 3)).await;
    for body in ["first", "second", "third"] {
        let delivery = queue.take(&dead, 1).await.expect("a message");
        assert_eq!(delivery.body(), body);
        delivery.ack().await.expect("acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_empties_a_queue_and_deleting_removes_it() {
    let (queue, _vhost) = fresh().await;
    let messages = async || queue.depth(story()).await.expect("a depth").map(|depth| depth.messages);
    for expected in [3, 2] {
        for _ in 0..expected {
            queue.publish(story(), Bytes::from("x")).await.expect("published");
        }
        until("all are counted", async || messages().await == Some(expected)).await;
        match expected {
            3 => assert_eq!(queue.purge(story()).await, Ok(3)),
            _ => assert_eq!(queue.delete(story()).await, Ok(2)),
        }
    }
    assert_eq!(messages().await, None);
}
