//! Connections from workers to the broker, the store or the provider that are cut or stalled for a while.

use valuesim_test_servers::Proxy;

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, ServerUrls, WORKERS};
use crate::process::FleetProcess;

/// Answered calls before the fault.
const CALLS_BEFORE_FAULT: u64 = 1_500;

/// What the connection leads to.
#[derive(Debug, Clone, Copy)]
enum Link {
    Broker,
    Store,
    Provider,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    Stall,
}

/// Puts a proxy into the connection. Returns it with the addresses that lead through it.
async fn proxy(fleet: &mut Fleet, link: Link) -> (Proxy, ServerUrls) {
    // With this heartbeat, a silent connection is given up within the test.
    let mut urls = ServerUrls { broker: format!("{}?heartbeat=2", fleet.urls.broker), ..fleet.urls.clone() };
    let url = match link {
        Link::Broker => &mut urls.broker,
        Link::Store => &mut urls.store,
        Link::Provider => &mut fleet.base_url,
    };
    let (proxy, through) = Proxy::in_front_of(url).await.expect("starts");
    *url = through;
    (proxy, urls)
}

async fn check(link: Link, fault: Fault) {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, urls) = proxy(&mut fleet, link).await;
    let coordinator = fleet.coordinator();
    let workers: Vec<FleetProcess> = (0..WORKERS).map(|_| Fleet::worker_at(&urls)).collect();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    match fault {
        Fault::Cut => proxy.cut().await,
        Fault::Stall => proxy.stall().await,
    }
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    proxy.heal().await;
    coordinator.expect_success().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{link:?}, {fault:?}: {extra} extra calls, but at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cutting_the_broker_costs_at_most_the_calls_in_flight() {
    check(Link::Broker, Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalling_the_broker_costs_at_most_the_calls_in_flight() {
    check(Link::Broker, Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cutting_the_store_costs_at_most_the_calls_in_flight() {
    check(Link::Store, Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalling_the_store_costs_at_most_the_calls_in_flight() {
    check(Link::Store, Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cutting_the_provider_costs_at_most_the_calls_in_flight() {
    check(Link::Provider, Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalling_the_provider_costs_at_most_the_calls_in_flight() {
    check(Link::Provider, Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_loses_the_broker_leaves_its_cells_to_others() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, urls) = proxy(&mut fleet, Link::Broker).await;
    let coordinator = fleet.coordinator();
    let cut_off = Fleet::worker_at(&urls);
    let others = [(); 3].map(|()| fleet.worker());
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    proxy.cut().await;
    fleet.resume_replies();
    // The others have its cells now, and nobody waits for it.
    coordinator.expect_success().await;
    proxy.heal().await;
    cut_off.terminate();
    cut_off.expect_success().await;
    drop(others);
    let (extra, most) = (fleet.compare_with_one_process().await, IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}
