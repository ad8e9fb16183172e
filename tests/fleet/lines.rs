//! Lines between workers and broker, store and provider that are cut, or let nothing through, for a while.

use valuesim_test_servers::Proxy;

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, WORKERS, Ways};
use crate::member::Member;

/// Answered calls before the fault.
const BEFORE: u64 = 1_500;

/// Where workers go over the line.
#[derive(Debug, Clone, Copy)]
enum Line {
    Broker,
    Store,
    Provider,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    Stall,
}

/// Puts a proxy into the line, and returns it with the ways that lead through it.
async fn proxy(fleet: &mut Fleet, line: Line) -> (Proxy, Ways) {
    // Signs of life come fast enough that a test sees a silent connection given up.
    let mut ways = Ways { broker: format!("{}?heartbeat=2", fleet.ways.broker), ..fleet.ways.clone() };
    let way = match line {
        Line::Broker => &mut ways.broker,
        Line::Store => &mut ways.store,
        Line::Provider => &mut fleet.base_url,
    };
    let (proxy, through) = Proxy::in_front_of(way).await.expect("starts");
    *way = through;
    (proxy, ways)
}

async fn check(line: Line, fault: Fault) {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, ways) = proxy(&mut fleet, line).await;
    let coordinator = fleet.coordinator();
    let workers: Vec<Member> = (0..WORKERS).map(|_| Fleet::worker_by(&ways)).collect();
    fleet.answered(BEFORE).await;
    match fault {
        Fault::Cut => proxy.cut().await,
        Fault::Stall => proxy.stall().await,
    }
    fleet.release();
    fleet.quiet().await;
    proxy.heal().await;
    coordinator.ended_well().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{line:?}, {fault:?}: {extra} calls more, at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_line_to_the_broker_costs_the_calls_in_flight_at_most() {
    check(Line::Broker, Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_line_to_the_broker_costs_the_calls_in_flight_at_most() {
    check(Line::Broker, Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_line_to_the_store_costs_the_calls_in_flight_at_most() {
    check(Line::Store, Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_line_to_the_store_costs_the_calls_in_flight_at_most() {
    check(Line::Store, Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_line_to_the_provider_costs_the_calls_in_flight_at_most() {
    check(Line::Provider, Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_line_to_the_provider_costs_the_calls_in_flight_at_most() {
    check(Line::Provider, Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_loses_the_broker_leaves_its_cells_to_others() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, ways) = proxy(&mut fleet, Line::Broker).await;
    let coordinator = fleet.coordinator();
    let cut_off = Fleet::worker_by(&ways);
    let others = [(); 3].map(|()| fleet.worker());
    fleet.answered(BEFORE).await;
    proxy.cut().await;
    fleet.release();
    // Its cells are the others' now, and nobody waits for it.
    coordinator.ended_well().await;
    proxy.heal().await;
    cut_off.terminate();
    cut_off.ended_well().await;
    drop(others);
    let (extra, most) = (fleet.compare_with_one_process().await, IN_FLIGHT);
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}
