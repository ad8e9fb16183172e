//! A fleet whose ways to broker and store are encrypted, with an authority that only its flags name.

use std::time::Duration;

use secrecy::SecretString;
use valuesim_shared::queue::{RabbitQueue, RabbitSettings};
use valuesim_shared::redis_connection::{Address, RedisConnection};
use valuesim_test_servers::{Authority, Broker, RedisServer, Turn};

use crate::fleet::{Fleet, LATENCY, Ways};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_over_tls_trusts_the_authority_that_it_is_told_and_no_other() {
    let turn = Turn::take().await;
    let authority = Authority::new().expect("is made");
    let (broker, store) = tokio::join!(Broker::start_with_tls(&authority), RedisServer::start_with_tls(&authority));
    let (broker, store) = (broker.expect("starts"), store.expect("starts"));
    let ways = Ways { broker: broker.new_vhost().await.expect("is made"), store: store.url() };
    assert!(ways.broker.starts_with("amqps://") && ways.store.starts_with("rediss://"), "{ways:?}");

    let settings = RabbitSettings::new(SecretString::from(ways.broker.clone()), "test");
    let untold = RabbitQueue::connect(settings).await.expect_err("nobody vouches for it").to_string();
    assert!(untold.contains("certificate"), "{untold}");
    let address: Address = ways.store.parse().expect("an address");
    let untold =
        RedisConnection::connect(&address, Duration::ZERO).await.expect_err("nobody vouches for it").to_string();
    assert!(untold.contains("certificate"), "{untold}");

    let fleet = Fleet::on(turn, ways, LATENCY).await;
    let trusted = authority.file().display().to_string();
    let told = ["--broker-ca", &trusted, "--store-ca", &trusted];
    let coordinator = fleet.coordinator_with(&told);
    let workers = [fleet.worker_with(&told), fleet.worker_with(&told)];
    fleet.release();
    coordinator.ended_well().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
