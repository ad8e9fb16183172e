//! Brokers that take less than others: short messages, few connections and channels, no messages for want of disk, or messages
//! that expire.

use std::time::Duration;

use bytes::Bytes;
use valuesim_shared::queue::{
    BrokerState, Queue as _, QueueAdmin as _, QueueError, QueueKind, RabbitQueue, RabbitSettings,
};
use valuesim_test_servers::{Authority, Broker};

use crate::support::{connect, name, settings, story, until};

/// The error of a connection that is not made.
async fn refusal(url: &str) -> String {
    let settings = RabbitSettings { patience: Duration::from_millis(300), ..settings(url) };
    RabbitQueue::connect(settings).await.map(drop).expect_err("no connection").to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_small_limits_is_named_with_them() {
    let broker = Broker::start_with_settings("max_message_size = 65536").await.expect("starts");
    let vhost = broker.new_vhost().await.expect("is made");
    let queue = connect(&vhost).await;
    messages_beyond_the_limit_are_named_and_others_go_through(&queue).await;
    messages_that_expire_come_back(&broker, &vhost, &queue).await;
    a_broker_out_of_disk_is_said(&broker, &queue).await;
    queue.close().await;
    a_limit_of_connections_is_named(&broker, &vhost).await;
    a_limit_of_channels_is_named(&broker, &vhost).await;
}

async fn messages_beyond_the_limit_are_named_and_others_go_through(queue: &RabbitQueue) {
    let results = name(QueueKind::Results);
    let short = || Bytes::from(vec![b'x'; 60_000]);
    let (long, first, second) = tokio::join!(
        queue.publish(&results, Bytes::from(vec![b'x'; 70_000])),
        queue.publish(&results, short()),
        queue.publish(story(), short()),
    );
    let error = long.expect_err("is too long");
    assert!(matches!(error, QueueError::TooLarge { bytes: 70_000, most: 65_536, .. }), "{error}");
    let text = error.to_string();
    for part in ["r1.results", "70000 bytes", "at most 65536", "max_message_size"] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    first.expect("is published");
    second.expect("is published");
    assert_eq!(queue.most_bytes(), 65_536, "the limit is known from now on");
    for queue_name in [&results, story()] {
        queue.delete(queue_name).await.expect("is deleted");
    }
}

async fn messages_that_expire_come_back(broker: &Broker, vhost: &str, queue: &RabbitQueue) {
    let (_, vhost) = vhost.rsplit_once('/').expect("a virtual host");
    broker.put_message_ttl(vhost, r"\.story$", 300).await.expect("is set");
    queue.publish(story(), Bytes::from("task")).await.expect("is published");
    let dead = name(QueueKind::Dead);
    let has_expired = async || queue.browse(&dead, 1).await.expect("looks").iter().any(|letter| letter.has_expired);
    until("a message that expired", has_expired).await;
    // What comes back would expire again before a slow machine takes it.
    broker.put_message_ttl(vhost, "^none$", 300).await.expect("is set");
    let revived = queue.revive_expired(&story().run, 10).await.expect("looks");
    assert_eq!(revived, 1);
    let again = tokio::time::timeout(Duration::from_secs(30), queue.take(story(), 1));
    let again = again.await.expect("is there in time").expect("is there again");
    assert_eq!(valuesim_shared::queue::Delivery::body(&again), "task");
    valuesim_shared::queue::Delivery::ack(again).await.expect("is taken");
}

async fn a_broker_out_of_disk_is_said(broker: &Broker, queue: &RabbitQueue) {
    broker.set_disk_alarm(true).await.expect("is raised");
    // The broker tells a connection when it publishes next.
    let publishing = queue.publish(story(), Bytes::from("waits"));
    let said = async {
        let is_blocked = async || matches!(queue.state(), BrokerState::Blocked { .. });
        until("a blocked broker", is_blocked).await;
        let problem = queue.problem().expect("is blocked");
        assert!(problem.contains("takes no messages") && problem.contains("disk"), "{problem}");
        broker.set_disk_alarm(false).await.expect("is cleared");
    };
    let (published, ()) = tokio::join!(publishing, said);
    published.expect("is published once there is room");
}

async fn a_limit_of_connections_is_named(broker: &Broker, vhost: &str) {
    broker.limit_guest(r#"{"max-connections": 0}"#).await.expect("is set");
    let said = refusal(vhost).await;
    assert!(said.contains("connection limit (0)") && said.contains("needs two connections"), "{said}");
}

async fn a_limit_of_channels_is_named(broker: &Broker, vhost: &str) {
    broker.limit_guest(r#"{"max-connections": -1, "max-channels": 1}"#).await.expect("is set");
    let queue = connect(vhost).await;
    // Who publishes needs two: one that declares, and one that stays.
    let _publishing = tokio::spawn({
        let queue = queue.clone();
        async move { queue.publish(story(), Bytes::from("x")).await }
    });
    let error = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Err(error) = queue.declare(&[story().clone(), name(QueueKind::Results)]).await {
                return error.to_string();
            }
            if let Some(problem) = queue.problem() {
                return problem;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let said = error.await.expect("it is said soon");
    assert!(said.contains("limit") && said.contains("two channels"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_brokers_self_signed_certificate_is_trusted_if_it_is_named() {
    let (own, other) =
        (Authority::self_signed(false).expect("is made"), Authority::self_signed(true).expect("is made"));
    let broker = Broker::start_with_tls(&own).await.expect("starts");
    let trusting = |authority: &Authority| RabbitSettings {
        ca_file: Some(authority.file()),
        patience: Duration::from_millis(300),
        ..settings(&broker.url())
    };
    let queue = RabbitQueue::connect(trusting(&own)).await.expect("it is trusted");
    queue.publish(story(), Bytes::from("x")).await.expect("is published");
    queue.close().await;
    let said = RabbitQueue::connect(trusting(&other)).await.map(drop).expect_err("is not trusted").to_string();
    assert!(said.contains("certificate") && said.contains("--broker-ca"), "{said}");
}
