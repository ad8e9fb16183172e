//! A provider that is down for a while makes no task fail and is not flooded with calls. The run continues by itself.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::time::sleep;
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::{Proxy, eventually};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, TIMEOUT, WORKERS};

/// Answered calls before the outage.
const CALLS_BEFORE_FAULT: u64 = 1_500;

/// The calls in flight of all workers together.
const CALLS_IN_FLIGHT: u64 = WORKERS * IN_FLIGHT;

/// How long the provider hangs up after every worker has noticed.
const OUTAGE: Duration = Duration::from_secs(4);

/// The first pause between attempts; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The most attempts in that time: every call in flight fails twice while others start, and after each pause, of which one
/// more may have begun, calls start until the first of them fails. Without pauses, workers would make as many within
/// milliseconds.
fn most_attempts(time: Duration) -> u64 {
    let pauses = (1..=16).take_while(|&pauses| FIRST_PAUSE * (2_u32.pow(pauses) - 1) <= time).count();
    CALLS_IN_FLIGHT * (4 + pauses as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_wait_for_a_provider_that_is_down() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, through) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
    fleet.base_url = through;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    let dead = QueueName { run: fleet.run(), kind: QueueKind::Dead };
    let settings = RabbitSettings::new(SecretString::from(fleet.urls.broker.clone()), "test");
    let queue = RabbitQueue::connect(settings).await.expect("connects");

    proxy.cut().await;
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    let letters = queue.depth(&dead).await.expect("looks").map_or(0, |depth| depth.messages);
    assert_eq!(letters, 0);
    proxy.heal().await;
    coordinator.expect_success().await;
    // The queue is deleted with the run unless it holds dead letters.
    assert_eq!(queue.depth(&dead).await.expect("looks"), None);
    queue.close().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, CALLS_IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_up_is_not_flooded_with_calls() {
    let mut fleet = Fleet::new(LATENCY).await;
    let (proxy, through) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
    fleet.base_url = through;
    let _coordinator = fleet.coordinator();
    let _workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;

    let before = proxy.clients();
    proxy.turn_away().await;
    fleet.resume_replies();
    let start = Instant::now();
    let attempts = || proxy.clients() - before;
    let all_noticed = async || (attempts() >= CALLS_IN_FLIGHT).then_some(());
    eventually("an attempt for each call in flight", TIMEOUT, all_noticed).await.expect("in time");
    sleep(OUTAGE).await;
    let (attempts, time) = (attempts(), start.elapsed());
    assert!(attempts <= most_attempts(time), "{attempts} attempts in {time:?}");
}
