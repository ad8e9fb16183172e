//! A provider that is down for a while is no task's fault, is not stormed, and is gone on with by itself.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use valuesim_shared::queue::{Lane, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::{Proxy, eventually};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, PATIENCE, WORKERS};

/// Answered calls before the outage.
const BEFORE: u64 = 1_500;

/// Calls that a worker has ready at most: those that fill its places, and the rest of the cell that filled them. Each of
/// them tries, and then waits.
const READY: u64 = IN_FLIGHT + 3 * 58;

/// A few attempts for each call that is ready, so that the waits between them have grown, and how long so many take.
const ATTEMPTS: u64 = 4 * WORKERS * READY;
const AT_LEAST: Duration = Duration::from_millis(800);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_is_waited_for() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, through) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
    fleet.base_url = through;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;
    let dead = QueueName { run: fleet.run(), lane: Lane::Dead };
    let settings = RabbitSettings::new(SecretString::from(fleet.ways.broker.clone()), "test");
    let queue = RabbitQueue::connect(settings).await.expect("connects");

    proxy.cut().await;
    fleet.quiet().await;
    let letters = queue.depth(&dead).await.expect("looks").map_or(0, |depth| depth.messages);
    assert_eq!(letters, 0);
    proxy.heal().await;
    coordinator.ended_well().await;
    // The queue goes with the run unless there are letters in it.
    assert_eq!(queue.depth(&dead).await.expect("looks"), None);
    queue.close().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_up_is_not_stormed() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, through) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
    fleet.base_url = through;
    let _coordinator = fleet.coordinator();
    let _workers = fleet.workers();
    fleet.answered(BEFORE).await;

    proxy.turn_away().await;
    let (before, begun) = (proxy.clients(), Instant::now());
    let look = async || (proxy.clients() >= before + ATTEMPTS).then_some(());
    eventually("attempts", PATIENCE, look).await.expect("in time");
    // With ceilings of 0.5, 1, 2, 4 s the fourth attempt of a call is made 1.75 s after the first on average. Whoever asks
    // again at once makes so many in a few milliseconds.
    let outage = begun.elapsed();
    assert!(outage > AT_LEAST, "{ATTEMPTS} attempts in {outage:?}");
}
