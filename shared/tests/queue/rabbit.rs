//! The queues in RabbitMQ, while nothing is broken.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::timeout;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{BrokerState, Delivery as _, Queue as _, QueueKind, QueueName};
use valuesim_test_servers::shared_broker;

use crate::conformance::conforms;
use crate::support::{connect, fresh, name, story, until};

conforms!(fresh);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_fetched_than_there_is_room_for() {
    let (queue, _vhost) = fresh().await;
    join_all((0..50_u8).map(|number| queue.publish(story(), Bytes::from(vec![number])))).await;
    let mut held = vec![queue.take(story(), 5).await.expect("a message")];
    let waiting = async || queue.depth(story()).await.expect("a depth").expect("a queue").messages;
    until("five messages are on loan", async || waiting().await == 45).await;
    for _ in 0..4 {
        held.push(queue.take(story(), 1).await.expect("fetched already"));
    }
    assert_eq!(waiting().await, 45, "nothing was fetched for takes that were served from here");
    assert!(queue.try_take(story()).is_none());
    held.push(queue.take(story(), 2).await.expect("a message"));
    until("two more are on loan", async || waiting().await == 43).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_with_less_room_takes_the_place_of_one_with_more() {
    let (queue, _vhost) = fresh().await;
    let consumers = async || queue.depth(story()).await.expect("a depth").map_or(0, |depth| depth.consumers);
    {
        let mut much = std::pin::pin!(queue.take(story(), 100));
        tokio::select! {
            _ = &mut much => panic!("there is no message"),
            () = until("a consumer waits", async || consumers().await == 1) => {}
        }
    }
    let few = queue.clone();
    let taking = tokio::spawn(async move { few.take(story(), 3).await.expect("a message") });
    until("the consumer with much room is gone", async || {
        join_all((0..20).map(|_| queue.publish(story(), Bytes::new()))).await;
        taking.is_finished()
    })
    .await;
    let first = taking.await.expect("taken");
    let mut held = 1;
    while let Some(next) = queue.try_take(story()) {
        next.ack().await.expect("acknowledged");
        held += 1;
    }
    assert!(held <= 3, "{held} were fetched");
    first.ack().await.expect("acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_nobody_needs_goes_away() {
    let (queue, _vhost) = fresh().await;
    let consumers = async || queue.depth(story()).await.expect("a depth").map_or(0, |depth| depth.consumers);
    tokio::select! {
        _ = queue.take(story(), 10) => panic!("there is no message"),
        () = until("a consumer waits", async || consumers().await == 1) => {}
    }
    until("it is gone", async || consumers().await == 0).await;
    assert_eq!(queue.state(), BrokerState::Connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_gives_back_what_nobody_took_uncounted() {
    let (queue, vhost) = fresh().await;
    join_all((0..10_u8).map(|number| queue.publish(story(), Bytes::from(vec![number])))).await;
    let done = queue.take(story(), 10).await.expect("a message");
    let gone = done.body().clone();
    done.ack().await.expect("acknowledged");
    queue.close().await;
    let other = connect(&vhost.url).await;
    let mut bodies = vec![gone];
    for _ in 0..9 {
        let delivery = other.take(story(), 9).await.expect("a message");
        assert_eq!(delivery.deliveries_before(), 0);
        bodies.push(delivery.body().clone());
        delivery.ack().await.expect("acknowledged");
    }
    bodies.sort();
    assert_eq!(bodies, (0..10_u8).map(|number| vec![number]).collect::<Vec<_>>());
    other.close().await;
    assert!(queue.take(story(), 1).await.is_err() && queue.publish(story(), Bytes::new()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_a_run_gives_back_what_nobody_took_and_disturbs_no_other_run() {
    let (queue, vhost) = fresh().await;
    let others = QueueName { run: RunId("r2".to_owned()), kind: QueueKind::Story(ModelId(0)) };
    for name in [story(), &others] {
        join_all((0..3_u8).map(|number| queue.publish(name, Bytes::from(vec![number])))).await;
    }
    let waiting = async |name| queue.depth(name).await.expect("a depth").expect("a queue").messages;
    let held = [queue.take(story(), 3).await, queue.take(&others, 3).await].map(|taken| taken.expect("a message"));
    until("all were fetched", async || waiting(story()).await + waiting(&others).await == 0).await;

    let [done, held] = held;
    done.ack().await.expect("acknowledged");
    queue.leave(&story().run).await;
    until("they are back", async || waiting(story()).await == 2).await;
    // The broker counts a little later.
    let consumers = async || queue.depth(story()).await.expect("a depth").expect("a queue").consumers;
    until("nobody consumes any more", async || consumers().await == 0).await;
    assert!(queue.try_take(story()).is_none());
    let fetched_before = [held, queue.try_take(&others).expect("fetched"), queue.try_take(&others).expect("fetched")];
    assert_eq!(waiting(&others).await, 0, "the other run has what it had");

    let other = connect(&vhost.url).await;
    let back = other.take(story(), 1).await.expect("a message");
    assert_eq!(back.deliveries_before(), 0);
    back.ack().await.expect("acknowledged");
    let again = queue.take(story(), 1).await.expect("a message");
    assert_eq!(again.deliveries_before(), 0);
    again.ack().await.expect("acknowledged");
    drop(fetched_before);
    until("nothing is left", async || waiting(story()).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_runs_one_after_the_other_need_few_channels() {
    let vhost = shared_broker().await;
    let queue = connect(&format!("{}?channel_max=8", vhost.url)).await;
    for number in 0..12 {
        let name = QueueName { run: RunId(format!("r{number}")), kind: QueueKind::Results };
        queue.publish(&name, Bytes::new()).await.expect("published");
        let taken = timeout(Duration::from_mins(2), queue.take(&name, 1)).await;
        taken.expect("there is a channel for it").expect("a message").ack().await.expect("acknowledged");
        queue.leave(&name.run).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_nobody_can_deal_with_goes_to_the_dead_letters() {
    let (queue, _vhost) = fresh().await;
    queue.publish(story(), Bytes::from("poison")).await.expect("published");
    let dead = name(QueueKind::Dead);
    let dead = tokio::select! {
        dead = queue.take(&dead, 1) => dead.expect("a dead letter"),
        () = async { loop { drop(queue.take(story(), 1).await) } } => unreachable!("it goes on for ever"),
    };
    assert_eq!(dead.body(), &b"poison"[..]);
    dead.ack().await.expect("acknowledged");
}
