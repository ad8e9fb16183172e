//! Operators' orders while a run goes on: pause, resume, cancel.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::sleep;
use valuesim_shared::id::ModelId;
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue, RabbitSettings};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, PATIENCE};
use crate::member::{Member, command};

/// Says it as an operator does.
pub(crate) async fn order(fleet: &Fleet, words: &[&str]) {
    let mut command = command(words[0]);
    command.args(&words[1..]).arg(&fleet.run().0);
    command.env("VALUESIM_BROKER", &fleet.ways.broker).env("VALUESIM_STORE", &fleet.ways.store);
    Member::spawn(&mut command).ended_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_run_makes_no_calls_until_it_is_resumed_and_asks_nothing_twice() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(800).await;
    order(&fleet, &["pause"]).await;
    fleet.release();
    fleet.quiet().await;
    let before = fleet.provider.stats().requests;
    // One that comes while the run is paused leaves it alone too.
    let newcomer = fleet.worker();
    fleet.quiet().await;
    assert_eq!(fleet.provider.stats().requests, before);
    order(&fleet, &["resume"]).await;
    coordinator.ended_well().await;
    drop((workers, newcomer));
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_ends_and_may_be_taken_up_again() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(800).await;
    order(&fleet, &["cancel", "--yes"]).await;
    fleet.release();
    assert_eq!(coordinator.ended(PATIENCE).await.code(), Some(1));
    fleet.quiet().await;
    // Until somebody takes the order back the same command ends at once.
    assert_eq!(fleet.coordinator().ended(PATIENCE).await.code(), Some(1));
    order(&fleet, &["resume"]).await;
    fleet.coordinator().ended_well().await;
    drop(workers);
    // What was under way went with the queues, and its replies are still in the store.
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

/// Longer than workers may stay that have nothing to finish.
const LONG: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_leaves_no_queue_behind_though_its_workers_finish_long_calls() {
    let fleet = Fleet::new(LATENCY).await;
    let mut coordinator = fleet.coordinator();
    let worker = fleet.worker();
    fleet.under_way(IN_FLIGHT).await;
    order(&fleet, &["cancel", "--yes"]).await;
    sleep(LONG).await;
    assert!(!coordinator.has_ended(), "the calls are waited for");
    fleet.release();
    assert_eq!(coordinator.ended(PATIENCE).await.code(), Some(1));
    assert_eq!(fleet.provider.stats().in_flight, 0, "the calls were waited for");
    worker.terminate();
    worker.ended_well().await;
    let broker = SecretString::from(fleet.ways.broker.clone());
    let queue = RabbitQueue::connect(RabbitSettings::new(broker, "valuesim test")).await.expect("connected");
    let model = ModelId(0);
    for lane in [
        QueueKind::Story(model),
        QueueKind::Cab(model),
        QueueKind::Quarantine(model),
        QueueKind::Results,
        QueueKind::Dead,
    ] {
        assert_eq!(queue.depth(&QueueName { run: fleet.run(), kind: lane }).await, Ok(None), "{lane:?}");
    }
}
