//! A provider that is down for a while is no task's fault, is not stormed, and is gone on with by itself.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::time::sleep;
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::{Proxy, eventually};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, PATIENCE, WORKERS};

/// Answered calls before the outage.
const BEFORE: u64 = 1_500;

/// All places of all workers.
const PLACES: u64 = WORKERS * IN_FLIGHT;

/// How long the provider hangs up, once all places have noticed.
const OUTAGE: Duration = Duration::from_secs(4);

/// The first pause between attempts; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The most attempts in that time: all places fail twice and then some are on their way, and after each pause, of which one
/// more may have begun, those go out that do so before the first of them has failed. Whoever asks again at once makes so
/// many in a few milliseconds.
fn most_attempts(time: Duration) -> u64 {
    let pauses = (1..=16).take_while(|&pauses| FIRST_PAUSE * (2_u32.pow(pauses) - 1) <= time).count();
    PLACES * (4 + pauses as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_is_waited_for() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, through) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
    fleet.base_url = through;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;
    let dead = QueueName { run: fleet.run(), kind: QueueKind::Dead };
    let settings = RabbitSettings::new(SecretString::from(fleet.ways.broker.clone()), "test");
    let queue = RabbitQueue::connect(settings).await.expect("connects");

    proxy.cut().await;
    fleet.release();
    fleet.quiet().await;
    let letters = queue.depth(&dead).await.expect("looks").map_or(0, |depth| depth.messages);
    assert_eq!(letters, 0);
    proxy.heal().await;
    coordinator.ended_well().await;
    // The queue goes with the run unless there are letters in it.
    assert_eq!(queue.depth(&dead).await.expect("looks"), None);
    queue.close().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, PLACES);
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

    let before = proxy.clients();
    proxy.turn_away().await;
    fleet.release();
    let start = Instant::now();
    let attempts = || proxy.clients() - before;
    let all_noticed = async || (attempts() >= PLACES).then_some(());
    eventually("an attempt of each place", PATIENCE, all_noticed).await.expect("in time");
    sleep(OUTAGE).await;
    let (attempts, time) = (attempts(), start.elapsed());
    assert!(attempts <= most_attempts(time), "{attempts} attempts in {time:?}");
}
