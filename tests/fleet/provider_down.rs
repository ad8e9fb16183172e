//! A provider that is down for a while is no task's fault, is not stormed, and is gone on with by itself.

use secrecy::SecretString;
use valuesim_shared::queue::{Lane, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::{Proxy, eventually};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, PATIENCE, WORKERS};

/// Answered calls before the outage.
const BEFORE: u64 = 1_500;

/// Attempts during the outage: a few for each call that is under way, so that the waits between them have grown.
const ATTEMPTS: u64 = 4 * WORKERS * IN_FLIGHT;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_is_waited_for() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, through) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
    fleet.base_url = through;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;

    proxy.turn_away().await;
    let (before, begun) = (proxy.clients(), std::time::Instant::now());
    let look = async || (proxy.clients() >= before + ATTEMPTS).then_some(());
    eventually("attempts", PATIENCE, look).await.expect("in time");
    // With ceilings of 0.5, 1, 2, 4 s the fourth attempt of a call is made 1.75 s after the first on average. Whoever asks
    // again at once makes so many in a few milliseconds.
    let outage = begun.elapsed();
    assert!(outage.as_secs_f64() > 0.8, "{ATTEMPTS} attempts in {outage:?}");
    let dead = QueueName { run: fleet.run(), lane: Lane::Dead };
    proxy.heal().await;

    let settings = RabbitSettings::new(SecretString::from(fleet.ways.broker.clone()), "test");
    let queue = RabbitQueue::connect(settings).await.expect("connects");
    let letters = queue.depth(&dead).await.expect("looks").map_or(0, |depth| depth.messages);
    assert_eq!(letters, 0);
    coordinator.ended_well().await;
    // The queue goes with the run unless there are letters in it.
    assert_eq!(queue.depth(&dead).await.expect("looks"), None);
    queue.close().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}
