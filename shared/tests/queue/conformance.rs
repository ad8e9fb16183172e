//! The promises of the queue port. Each case takes a fresh queue; [`conforms`] tries them all on one implementation.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Delivery as _, Queue, QueueKind, QueueName};

use crate::support::{name, story};

/// Makes a test of each promise for the queue that `$fresh` makes; what else it makes is kept until the test ends.
macro_rules! conforms {
    ($fresh:path) => {
        conforms!(@tests $fresh:
            messages_come_in_order_and_only_from_their_own_queue,
            an_acknowledged_message_is_forgotten,
            a_dropped_delivery_comes_back,
            deliveries_before_are_counted,
            a_cancelled_take_loses_nothing,
            a_waiting_take_gets_what_comes,
            every_message_is_delivered_exactly_once_when_all_are_acknowledged,
            names_may_hold_any_character,
            a_large_message_arrives_whole,
            an_empty_message_arrives,
        );
    };
    (@tests $fresh:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (queue, _kept) = $fresh().await;
                crate::conformance::$case(queue).await;
            }
        )+
    };
}
pub(crate) use conforms;

/// No message takes so long, on the slowest machine.
const LONG: Duration = Duration::from_mins(2);

async fn publish(queue: &impl Queue, name: &QueueName, body: &str) {
    let published = timeout(LONG, queue.publish(name, Bytes::from(body.to_owned()))).await;
    published.expect("published in time").expect("published");
}

async fn take<Q: Queue>(queue: &Q, name: &QueueName, room: usize) -> Q::Delivery {
    timeout(LONG, queue.take(name, room)).await.expect("a message in time").expect("a message")
}

async fn take_and_ack(queue: &impl Queue, name: &QueueName, room: usize) -> String {
    let delivery = take(queue, name, room).await;
    let body = String::from_utf8(delivery.body().to_vec()).expect("text");
    delivery.ack().await.expect("acknowledged");
    body
}

pub(crate) async fn messages_come_in_order_and_only_from_their_own_queue(queue: impl Queue) {
    let kinds = [
        QueueKind::Story(ModelId(0)),
        QueueKind::Story(ModelId(1)),
        QueueKind::Cab(ModelId(0)),
        QueueKind::Quarantine(ModelId(0)),
        QueueKind::NextVersion(ModelId(0), 2),
        QueueKind::Results,
        QueueKind::Dead,
    ];
    for number in 0..3 {
        for kind in kinds {
            publish(&queue, &name(kind), &format!("{kind:?} {number}")).await;
        }
    }
    for kind in kinds {
        for number in 0..3 {
            assert_eq!(take_and_ack(&queue, &name(kind), 2).await, format!("{kind:?} {number}"));
        }
        assert!(queue.try_take(&name(kind)).is_none());
    }
}

pub(crate) async fn an_acknowledged_message_is_forgotten(queue: impl Queue) {
    publish(&queue, story(), "first").await;
    assert_eq!(take_and_ack(&queue, story(), 1).await, "first");
    publish(&queue, story(), "second").await;
    assert_eq!(take_and_ack(&queue, story(), 1).await, "second");
    assert!(queue.try_take(story()).is_none());
}

pub(crate) async fn a_dropped_delivery_comes_back(queue: impl Queue) {
    publish(&queue, story(), "first").await;
    publish(&queue, story(), "second").await;
    drop(take(&queue, story(), 1).await);
    let mut bodies = [take_and_ack(&queue, story(), 1).await, take_and_ack(&queue, story(), 1).await];
    bodies.sort();
    assert_eq!(bodies, ["first", "second"]);
}

pub(crate) async fn deliveries_before_are_counted(queue: impl Queue) {
    publish(&queue, story(), "again").await;
    for before in 0..3 {
        let delivery = take(&queue, story(), 1).await;
        assert_eq!(delivery.deliveries_before(), before);
    }
    publish(&queue, &name(QueueKind::Results), "new").await;
    assert_eq!(take(&queue, &name(QueueKind::Results), 1).await.deliveries_before(), 0);
}

pub(crate) async fn a_cancelled_take_loses_nothing(queue: impl Queue) {
    const MESSAGES: usize = 60;
    let publishing = tokio::spawn({
        let queue = queue.clone();
        async move {
            for number in 0..MESSAGES {
                publish(&queue, story(), &number.to_string()).await;
            }
        }
    });
    let mut seen = Vec::new();
    // Cut off at every moment of its way: the waits run through everything from nothing to some milliseconds.
    for attempt in 0..MESSAGES * 2 {
        let patience = Duration::from_micros(attempt as u64 * 37 % 4_000);
        if let Ok(delivery) = timeout(patience, queue.take(story(), 1 + attempt % 7)).await {
            let delivery = delivery.expect("a message");
            seen.push(delivery.body().clone());
            delivery.ack().await.expect("acknowledged");
        }
    }
    publishing.await.expect("published");
    while seen.len() < MESSAGES {
        let delivery = take(&queue, story(), 3).await;
        seen.push(delivery.body().clone());
        delivery.ack().await.expect("acknowledged");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), MESSAGES);
}

pub(crate) async fn a_waiting_take_gets_what_comes(queue: impl Queue) {
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { take_and_ack(&queue, story(), 10).await }
    });
    tokio::task::yield_now().await;
    publish(&queue, story(), "late").await;
    assert_eq!(waiting.await.expect("taken"), "late");
}

pub(crate) async fn every_message_is_delivered_exactly_once_when_all_are_acknowledged(queue: impl Queue) {
    const SIDES: usize = 8;
    const EACH: usize = 250;
    let mut publishers = JoinSet::new();
    for publisher in 0..SIDES {
        let queue = queue.clone();
        publishers.spawn(async move {
            let all = (0..EACH).map(|number| {
                let queue = queue.clone();
                async move { publish(&queue, story(), &format!("{publisher}-{number}")).await }
            });
            futures_util::future::join_all(all).await;
        });
    }
    let mut takers = JoinSet::new();
    let places = Arc::new(tokio::sync::Semaphore::new(SIDES * EACH));
    for room in 1..=SIDES {
        let (queue, places) = (queue.clone(), Arc::clone(&places));
        takers.spawn(async move {
            let mut taken = Vec::new();
            while let Ok(place) = places.try_acquire() {
                place.forget();
                taken.push(take_and_ack(&queue, story(), room * 5).await);
            }
            taken
        });
    }
    publishers.join_all().await;
    let mut times: HashMap<String, usize> = HashMap::new();
    for body in takers.join_all().await.into_iter().flatten() {
        *times.entry(body).or_default() += 1;
    }
    assert_eq!(times.len(), SIDES * EACH);
    assert!(times.values().all(|times| *times == 1), "some message came twice");
    assert!(queue.try_take(story()).is_none());
}

pub(crate) async fn names_may_hold_any_character(queue: impl Queue) {
    for run in ["ä ☃", "a/b%2f#*", "a.0.story", "'\"\\", "", "amq.x"] {
        let name = QueueName { run: RunId(run.to_owned()), kind: QueueKind::Cab(ModelId(7)) };
        publish(&queue, &name, run).await;
        assert_eq!(take_and_ack(&queue, &name, 1).await, run);
    }
}

pub(crate) async fn a_large_message_arrives_whole(queue: impl Queue) {
    let body: Vec<u8> = (0..1_000_000_u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    queue.publish(story(), Bytes::from(body.clone())).await.expect("published");
    let delivery = take(&queue, story(), 1).await;
    assert!(delivery.body() == &body, "{} bytes came of {}", delivery.body().len(), body.len());
    delivery.ack().await.expect("acknowledged");
}

pub(crate) async fn an_empty_message_arrives(queue: impl Queue) {
    publish(&queue, story(), "").await;
    assert_eq!(take_and_ack(&queue, story(), 1).await, "");
}
