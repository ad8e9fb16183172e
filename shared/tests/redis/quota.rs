//! Quotas in the store: what several workers of a fleet share.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::permit::{
    CallEnd, CircuitPauses, Endpoint, KeyName, Limits, OfficePermit, Permit as _, PermitDesk as _, PermitOffice as _,
    QuotaDesk, QuotaOffice, Reason, Refusal, Request, RunShare, Settlement,
};
use valuesim_shared::stage::Stage;
use valuesim_test_servers::shared_redis;

use crate::support::{LIMIT, command, connect, keys, plain, run};

const REQUEST: Request = Request {
    stage: Stage::COGNITIVE,
    expected: Tokens { input: 10, cached: 0, cache_write: 0, output: 10, reasoning: 0 },
    at_most: NanoUsd(0),
    goes_ahead: false,
};

/// The desk of a worker of its own at the same endpoint.
async fn worker(url: &str, limits: Limits) -> QuotaDesk {
    let office = QuotaOffice::of_fleet(connect(url).await, CircuitPauses::default());
    let endpoint = Endpoint::new("https://api.example.com/v1", KeyName::Variable("KEY".to_owned()));
    office.open(RunShare::ordinary(&run("r")), &endpoint, "m", limits)
}

/// How many of so many calls of each worker are granted within a time.
async fn granted_within(desks: &[QuotaDesk], calls: usize, time: Duration) -> Vec<usize> {
    let end = Instant::now() + time;
    let mut granted = Vec::new();
    let mut workers = JoinSet::new();
    for (at, desk) in desks.iter().enumerate() {
        granted.push(0);
        for _ in 0..calls {
            let desk = desk.clone();
            workers.spawn(async move {
                while Instant::now() < end {
                    match tokio::time::timeout_at(end, desk.acquire(REQUEST)).await {
                        Ok(Ok(mut permit)) => {
                            permit.settle(Settlement::answered(None));
                            return Some(at);
                        }
                        Ok(Err(Refusal::NotNow { left, .. })) => sleep(left.min(end - Instant::now())).await,
                        Err(_) => {}
                    }
                }
                None
            });
        }
    }
    for at in workers.join_all().await.into_iter().flatten() {
        granted[at] += 1;
    }
    granted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_share_a_limit_fairly_also_after_the_store_has_lost_it() {
    let database = shared_redis().await;
    let limits = Limits { requests_per_minute: Some(24), calls_in_flight: 64, ..Limits::default() };
    let desks = [worker(&database.url, limits).await, worker(&database.url, limits).await];
    // A burst of one, and then one in two and a half seconds.
    let granted = granted_within(&desks, 20, Duration::from_secs(6)).await;
    let sum: usize = granted.iter().sum();
    assert!((2..=4).contains(&sum) && granted.iter().all(|&it| it > 0), "{granted:?}");
    let mut plain = plain(&database.url).await;
    assert_eq!(keys(&mut plain, "*").await.len(), 1);
    command(&mut plain, "FLUSHDB").await;
    sleep(Duration::from_millis(1_100)).await;
    let state = keys(&mut plain, "*").await;
    let value: Vec<u8> = redis::cmd("GET").arg(&state).query_async(&mut plain).await.expect("is there again");
    let space = value.iter().position(|byte| *byte == b' ').expect("version and state");
    let json = zstd::decode_all(&value[space + 1..]).expect("is packed");
    let quota: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let calls: u64 = quota["slots"].as_array().expect("slots").iter().map(|slot| slot[1].as_u64().unwrap_or(0)).sum();
    assert_eq!(calls, sum as u64, "the workers have said what they have sent: {quota}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_one_worker_is_asked_for_holds_for_all_and_ends_with_one_probe() {
    let database = shared_redis().await;
    let limits = Limits { requests_per_minute: Some(6_000), ..Limits::default() };
    let [one, other] = [worker(&database.url, limits).await, worker(&database.url, limits).await];
    let mut permit = granted(&one).await;
    permit.settle(Settlement::failed(CallEnd::RateLimited, Some(Duration::from_secs(3))));
    drop(permit);
    sleep(Duration::from_millis(300)).await;
    let told = Instant::now();
    let refused = timeout(LIMIT, other.acquire(REQUEST)).await.expect("in time").map(drop);
    let Err(Refusal::NotNow { reason: Reason::Cooldown, left }) = refused else { panic!("{refused:?}") };
    assert!(left > Duration::from_secs(1) && told.elapsed() < Duration::from_secs(1), "{left:?}");
    sleep(left).await;
    let probe = granted(&other).await;
    assert!(timeout(Duration::from_secs(1), one.acquire(REQUEST)).await.is_err(), "one probe is enough");
    let mut probe = probe;
    probe.settle(Settlement::answered(None));
    drop(timeout(LIMIT, one.acquire(REQUEST)).await.expect("in time").expect("the probe was answered"));
}

/// Waits out pauses until a call is granted.
async fn granted(desk: &QuotaDesk) -> OfficePermit {
    loop {
        match timeout(LIMIT, desk.acquire(REQUEST)).await.expect("in time") {
            Ok(permit) => return permit,
            Err(Refusal::NotNow { left, .. }) => sleep(left).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_that_one_worker_opens_is_open_for_all_until_one_call_is_answered() {
    let database = shared_redis().await;
    let limits = Limits { requests_per_minute: Some(60_000), calls_in_flight: 2, ..Limits::default() };
    let [one, other] = [worker(&database.url, limits).await, worker(&database.url, limits).await];
    // The other one says that it lives, and how many calls it may have in flight.
    granted(&other).await.settle(Settlement::answered(None));
    let opened = loop {
        match timeout(LIMIT, one.acquire(REQUEST)).await.expect("in time") {
            Ok(mut permit) => permit.settle(Settlement::failed(CallEnd::Unanswered, None)),
            Err(Refusal::NotNow { reason: Reason::CircuitOpen, .. }) => break Instant::now(),
            Err(Refusal::NotNow { left, .. }) => sleep(left).await,
        }
    };
    // Each pause is ended by one call. It fails, until the pauses are long enough to be seen by the other.
    let seen = loop {
        match timeout(LIMIT, other.acquire(REQUEST)).await.expect("in time") {
            Ok(mut permit) => permit.settle(Settlement::failed(CallEnd::Unanswered, None)),
            Err(Refusal::NotNow { reason, left }) if left > Duration::from_secs(1) => break reason,
            Err(Refusal::NotNow { left, .. }) => sleep(left).await,
        }
        assert!(opened.elapsed() < LIMIT, "the pauses do not get longer");
    };
    assert_eq!(seen, Reason::CircuitOpen);
    granted(&other).await.settle(Settlement::answered(None));
    // That answer has closed the circuit for all: when it opens again, it begins with the first pause.
    granted(&one).await.settle(Settlement::failed(CallEnd::Unanswered, None));
    let first_pause = loop {
        match timeout(LIMIT, one.acquire(REQUEST)).await.expect("in time") {
            Ok(mut permit) => permit.settle(Settlement::failed(CallEnd::Unanswered, None)),
            Err(Refusal::NotNow { reason: Reason::CircuitOpen, left }) => break left,
            Err(Refusal::NotNow { left, .. }) => sleep(left).await,
        }
    };
    assert!(first_pause <= CircuitPauses::default().first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_workers_together_have_no_more_calls_in_flight_than_the_total() {
    let database = shared_redis().await;
    let limits = Limits { requests_per_minute: Some(60_000), total_calls_in_flight: Some(3), ..Limits::default() };
    let desks = [worker(&database.url, limits).await, worker(&database.url, limits).await];
    let mut held = Vec::new();
    for desk in desks.iter().cycle().take(3) {
        held.push(granted(desk).await);
    }
    for desk in &desks {
        let fourth = timeout(Duration::from_millis(700), desk.acquire(REQUEST)).await;
        assert!(fourth.is_err(), "three are in flight");
    }
    held[0].settle(Settlement::answered(None));
    drop(held.remove(0));
    timeout(LIMIT, granted(&desks[1])).await.expect("a place is free again");
}
