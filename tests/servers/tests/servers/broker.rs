//! Private and shared brokers.

use std::time::Duration;

use lapin::Confirmation;
use valuesim_test_servers::{Broker, eventually, shared_broker};

use crate::amqp::Client;

/// A ceiling for what hangs.
const SOON: Duration = Duration::from_mins(2);

#[tokio::test]
async fn durable_messages_survive_a_stop_but_not_a_wipe() {
    let mut broker = Broker::start().await.unwrap();
    let url = broker.new_vhost().await.unwrap();
    let client = Client::connect(&url).await.unwrap();
    client.declare().await.unwrap();
    client.publish("kept").await;

    broker.stop().await.unwrap();
    assert!(Client::connect(&url).await.is_err(), "a stopped broker accepted a connection");
    broker.start_again().await.unwrap();
    assert_eq!(message(&url).await, "kept");

    broker.kill_and_wipe().unwrap();
    broker.start_again().await.unwrap();
    let client = Client::connect(&url).await.expect("the virtual host exists again");
    assert!(client.peek().await.is_err(), "the queue survived the wipe");
}

/// The first message. A quorum queue needs a moment to choose its leader after a start.
async fn message(url: &str) -> String {
    let look = async || Client::connect(url).await.ok()?.peek().await.ok().flatten();
    eventually("the message", SOON, look).await.unwrap()
}

#[tokio::test]
async fn a_memory_alarm_blocks_publishers_until_it_is_cleared() {
    let broker = Broker::start().await.unwrap();
    let url = broker.new_vhost().await.unwrap();
    let client = Client::connect(&url).await.unwrap();
    client.declare().await.unwrap();

    broker.raise_memory_alarm().await.unwrap();
    let confirm = client.send("blocked").await.unwrap();
    let blocked = async || client.connection.status().blocked().then_some(());
    eventually("connection.blocked", SOON, blocked).await.unwrap();
    // The broker no longer reads from a blocked connection, so peek through another one.
    let reader = Client::connect(&url).await.unwrap();
    assert_eq!(reader.peek().await.unwrap(), None, "a blocked broker accepted a message");

    broker.clear_memory_alarm().await.unwrap();
    assert_eq!(confirm.await.unwrap(), Confirmation::Ack(None));
}

#[tokio::test]
async fn each_test_has_its_own_virtual_host() {
    let (one, other) = (shared_broker().await, shared_broker().await);
    let client = Client::connect(&one.url).await.unwrap();
    client.declare().await.unwrap();
    client.publish("mine").await;

    let neighbour = Client::connect(&other.url).await.unwrap();
    assert_eq!(neighbour.declare().await.unwrap(), 0);
    assert_eq!(message(&one.url).await, "mine");

    let url = one.url.clone();
    drop(one);
    assert!(Client::connect(&url).await.is_err(), "the virtual host survived its test");
}
