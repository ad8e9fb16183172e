//! A process is ready while broker and store answer and nobody has asked it to end. It is alive throughout.

use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::{RedisServer, eventually, shared_broker};

use crate::process::{Fleet, TIMEOUT, get, metrics, probe};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_follows_the_store_and_ends_with_the_first_signal() {
    let (broker, store) = tokio::join!(shared_broker(), RedisServer::start());
    let mut store = store.expect("starts");
    let fleet = Fleet::new(&broker.url, &store.url(), ProviderOptions::default()).await;
    // A worker that is asked to end waits for its replies.
    fleet.provider.pause_replies_after(0);
    let (coordinator, mut worker) = (fleet.coordinator(2), fleet.worker());
    let addresses = [coordinator.address().await, worker.address().await];
    for address in &addresses {
        assert_eq!(probe(address, "/readyz", 200).await, r#"{"ok":true,"reasons":[]}"#);
    }
    store.stop().await.expect("stops");
    for address in &addresses {
        let reasons = probe(address, "/readyz", 503).await;
        assert!(reasons.starts_with(r#"{"ok":false,"reasons":["store: unreachable for"#), "{reasons}");
        assert_eq!(get(address, "/healthz").expect("answers").0, 200);
        assert_eq!(metrics(address).find("valuesim_redis_connected", &[]), Some(0.0));
        assert_eq!(metrics(address).find("valuesim_broker_connected", &[]), Some(1.0));
    }
    store.start_again().await.expect("starts");
    for address in &addresses {
        probe(address, "/readyz", 200).await;
    }
    wait_for_calls(&fleet).await;
    worker.terminate();
    let reasons = probe(&addresses[1], "/readyz", 503).await;
    assert!(reasons.contains("about to end"), "{reasons}");
    assert_eq!(get(&addresses[1], "/healthz").expect("answers until it ends").0, 200);
    fleet.provider.resume_replies();
    assert!(worker.wait().await.success());
    assert_eq!(get(&addresses[1], "/healthz"), None);
}

/// Waits until the worker has calls in flight, which it finishes before it ends.
async fn wait_for_calls(fleet: &Fleet) {
    let are_there = async || (fleet.provider.stats().in_flight > 0).then_some(());
    eventually("calls in flight", TIMEOUT, are_there).await.expect("in time");
}
