//! A cluster of three nodes whose leader is killed.

use std::time::Duration;

use valuesim_test_servers::{Cluster, eventually};

use crate::amqp::{Client, QUEUE};

/// A ceiling for what hangs.
const SOON: Duration = Duration::from_mins(2);

#[tokio::test]
async fn a_queue_survives_its_leader() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let vhost = cluster.new_vhost().await.unwrap();
    let client = Client::connect(&vhost.urls[1]).await.unwrap();
    client.declare().await.unwrap();
    client.publish("kept").await;

    let leader = cluster.leader_of(&vhost.name, QUEUE).await.unwrap();
    cluster.kill(leader);
    let successor = cluster.leader_of(&vhost.name, QUEUE).await.unwrap();
    assert_ne!(successor, leader);
    assert_eq!(message(&vhost.urls[successor]).await, "kept");

    cluster.start_again(leader).await.unwrap();
    assert_eq!(message(&vhost.urls[leader]).await, "kept");
}

async fn message(url: &str) -> String {
    let look = async || Client::connect(url).await.ok()?.peek().await.ok().flatten();
    eventually("the message", SOON, look).await.unwrap()
}
