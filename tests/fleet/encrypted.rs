//! A fleet that uses TLS for broker and store, with an authority that only its flags name.

use std::time::Duration;

use secrecy::SecretString;
use valuesim_shared::queue::{RabbitQueue, RabbitSettings};
use valuesim_shared::redis_connection::{Address, RedisConnection};
use valuesim_test_servers::{Authority, Broker, RedisServer, Turn};

use crate::fleet::{Fleet, LATENCY, ServerUrls};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_over_tls_trusts_only_the_authority_that_its_flags_name() {
    let turn = Turn::take().await;
    let authority = Authority::new().expect("is made");
    let (broker, store) = tokio::join!(Broker::start_with_tls(&authority), RedisServer::start_with_tls(&authority));
    let (broker, store) = (broker.expect("starts"), store.expect("starts"));
    let urls = ServerUrls { broker: broker.new_vhost().await.expect("is made"), store: store.url() };
    assert!(urls.broker.starts_with("amqps://") && urls.store.starts_with("rediss://"), "{urls:?}");

    let settings = RabbitSettings::new(SecretString::from(urls.broker.clone()), "test");
    let error = RabbitQueue::connect(settings).await.expect_err("the authority is unknown").to_string();
    assert!(error.contains("certificate"), "{error}");
    let address: Address = urls.store.parse().expect("an address");
    let connected = RedisConnection::connect(&address, Duration::ZERO).await;
    let error = connected.expect_err("the authority is unknown").to_string();
    assert!(error.contains("certificate"), "{error}");

    let fleet = Fleet::on(turn, urls, LATENCY).await;
    let file = authority.file().display().to_string();
    let trusting = ["--broker-ca", &file, "--store-ca", &file];
    let coordinator = fleet.coordinator_with(&trusting);
    let workers = [fleet.worker_with(&trusting), fleet.worker_with(&trusting)];
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
