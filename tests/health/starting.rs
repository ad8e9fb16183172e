//! A process that is still starting answers probes and scrapes: it is alive, and not ready.

use std::net::TcpListener;

use valuesim_simulator::provider::ProviderOptions;

use crate::process::{Fleet, get, metrics, probe};

#[tokio::test]
async fn a_scrape_of_a_process_that_waits_for_its_servers_is_answered() {
    // They take connections, and say nothing.
    let silent = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("listens"));
    let [broker, store] = silent.each_ref().map(|server| server.local_addr().expect("has an address"));
    let (broker, store) = (format!("amqp://{broker}"), format!("redis://{store}"));
    let fleet = Fleet::new(&broker, &store, ProviderOptions::default()).await;
    let worker = fleet.worker();
    let address = worker.address().await;
    let shown = metrics(&address);
    assert_eq!(shown.find("valuesim_build_info", &[("role", "worker")]), Some(1.0));
    for server in ["valuesim_broker_connected", "valuesim_redis_connected"] {
        assert_eq!(shown.find(server, &[]), Some(0.0), "{server}");
    }
    let reasons = probe(&address, "/readyz", 503).await;
    assert!(reasons.contains("broker") && reasons.contains("store"), "{reasons}");
    assert_eq!(get(&address, "/healthz").expect("answers").0, 200);
}
