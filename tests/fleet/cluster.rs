//! Three RabbitMQ nodes, of which the leader of the run's queues is killed during the run.

use valuesim_test_servers::{Cluster, Proxy, Turn, shared_redis};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, ServerUrls, WORKERS};

/// Answered calls before the node is killed.
const CALLS_BEFORE_FAULT: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_its_leader_costs_at_most_the_calls_in_flight() {
    let turn = Turn::take().await;
    let (cluster, store) = tokio::join!(Cluster::start(3), shared_redis());
    let mut cluster = cluster.expect("starts");
    let vhost = cluster.new_vhost().await.expect("is made");
    // As with a load balancer, a process that lost its node reconnects to another.
    let (_balancer, broker) = Proxy::in_front_of_all(&vhost.urls).await.expect("starts");
    let fleet = Fleet::on(turn, ServerUrls { broker, store: store.url.clone() }, LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    let leader = cluster.leader_of(&vhost.name, &format!("valuesim.{}.0.cab", fleet.run())).await.expect("has one");
    cluster.kill(leader);
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}
