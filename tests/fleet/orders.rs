//! An operator's orders during a run: pause, resume, cancel.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::sleep;
use valuesim_shared::control::Control as _;
use valuesim_shared::id::ModelId;
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::eventually;

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, TIMEOUT};
use crate::process::{FleetProcess, command};

/// Gives an order to the run on the command line.
pub(crate) async fn order(fleet: &Fleet, arguments: &[&str]) {
    let mut command = command(arguments[0]);
    command.args(&arguments[1..]).arg(&fleet.run().0);
    command.env("VALUESIM_BROKER", &fleet.urls.broker).env("VALUESIM_STORE", &fleet.urls.store);
    FleetProcess::spawn(&mut command).expect_success().await;
}

/// Gives an order that keeps the run from going on, and waits until all workers follow it. The provider must have paused
/// its replies: otherwise the run might end first.
pub(crate) async fn halt(fleet: &Fleet, arguments: &[&str], workers: &[FleetProcess]) {
    order(fleet, arguments).await;
    for worker in workers {
        worker.wait_for("handing its tasks back").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_run_makes_no_calls_until_it_is_resumed_and_repeats_none() {
    let fleet = Fleet::new(LATENCY).await;
    let mut coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(800).await;
    halt(&fleet, &["pause"], &workers).await;
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    let before = fleet.provider.stats().requests;
    // A worker that starts while the run is paused makes no calls either.
    let newcomer = fleet.worker();
    let control = fleet.control().await;
    let is_there = async || (control.workers().await.expect("reads").all.len() > workers.len()).then_some(());
    eventually("the new worker's report", TIMEOUT, is_there).await.expect("in time");
    fleet.wait_until_idle().await;
    assert_eq!(fleet.provider.stats().requests, before);
    assert!(!coordinator.has_ended(), "the coordinator of a paused run waits");
    order(&fleet, &["resume"]).await;
    coordinator.expect_success().await;
    drop((workers, newcomer));
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_ends_and_can_be_resumed() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(800).await;
    halt(&fleet, &["cancel", "--yes"], &workers).await;
    fleet.resume_replies();
    coordinator.expect_code(5).await;
    fleet.wait_until_idle().await;
    // Until the run is resumed, the same command ends at once.
    fleet.coordinator().expect_code(5).await;
    order(&fleet, &["resume"]).await;
    fleet.coordinator().expect_success().await;
    drop(workers);
    // The unfinished tasks went with the queues, but their replies are still in the store.
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

/// Longer than the coordinator waits for workers that have nothing to finish.
const LONG_WAIT: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_leaves_no_queue_behind_even_if_its_workers_finish_long_calls() {
    let fleet = Fleet::new(LATENCY).await;
    let mut coordinator = fleet.coordinator();
    let worker = fleet.worker();
    fleet.wait_for_in_flight(IN_FLIGHT).await;
    order(&fleet, &["cancel", "--yes"]).await;
    sleep(LONG_WAIT).await;
    assert!(!coordinator.has_ended(), "the coordinator waits for the calls");
    fleet.resume_replies();
    coordinator.expect_code(5).await;
    assert_eq!(fleet.provider.stats().in_flight, 0, "the coordinator waited for the calls");
    worker.terminate();
    worker.expect_success().await;
    let broker = SecretString::from(fleet.urls.broker.clone());
    let queue = RabbitQueue::connect(RabbitSettings::new(broker, "valuesim test")).await.expect("connected");
    let model = ModelId(0);
    for kind in [
        QueueKind::Story(model),
        QueueKind::Cab(model),
        QueueKind::Quarantine(model),
        QueueKind::Results,
        QueueKind::Dead,
    ] {
        assert_eq!(queue.depth(&QueueName { run: fleet.run(), kind }).await, Ok(None), "{kind:?}");
    }
}
