//! Three RabbitMQ nodes, of which the one that leads the run's queues is killed in mid-run.

use valuesim_test_servers::{Cluster, Proxy, Turn, shared_redis};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, WORKERS, Ways};

/// Answered calls before the node is lost.
const BEFORE: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_its_leader_costs_the_calls_in_flight_at_most() {
    let turn = Turn::take().await;
    let (cluster, store) = tokio::join!(Cluster::start(3), shared_redis());
    let mut cluster = cluster.expect("starts");
    let vhost = cluster.new_vhost().await.expect("is made");
    // As behind a load balancer: who lost a node comes back at another.
    let (_balancer, broker) = Proxy::in_front_of_all(&vhost.urls).await.expect("starts");
    let fleet = Fleet::on(turn, Ways { broker, store: store.url.clone() }, LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;
    let leader = cluster.leader_of(&vhost.name, &format!("valuesim.{}.0.cab", fleet.run())).await.expect("has one");
    cluster.kill(leader);
    fleet.release();
    coordinator.ended_well().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}
