//! A provider that is down for a while is no task's fault, is not stormed, and is gone on with by itself.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::sleep;
use valuesim_shared::queue::{Lane, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::Proxy;

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, WORKERS};

/// Answered calls before the outage.
const BEFORE: u64 = 1_500;

/// How long the provider hangs up.
const OUTAGE: Duration = Duration::from_secs(5);

/// The most attempts in that time: all places fail twice and then some are on their way, and after each pause of 0.5, 1, 2
/// and 4 seconds those that go out before the first of them has failed. Whoever asks again at once makes so many in a few
/// milliseconds.
const MOST_ATTEMPTS: u64 = WORKERS * IN_FLIGHT * (3 + 4);

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
    let before = proxy.clients();
    sleep(OUTAGE).await;
    let attempts = proxy.clients() - before;
    assert!((WORKERS * IN_FLIGHT..=MOST_ATTEMPTS).contains(&attempts), "{attempts} attempts in {OUTAGE:?}");
}
