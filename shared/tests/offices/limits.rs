//! What the user's own limits let through, and what a call costs that is given up.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use valuesim_shared::permit::{
    CallEnd, Limits, OwnLimit, Permit as _, PermitDesk as _, PermitOffice, Reason, RunShare, Settlement,
};

use crate::support::{
    ANSWERED, MINUTE, SECOND, call, endpoint, granted, in_flight, is_free, open, request, run, waiting,
};

pub(crate) async fn calls_in_flight_are_bounded_until_a_permit_is_dropped(office: impl PermitOffice) {
    let desk = open(&office, in_flight(2));
    assert_eq!((desk.capacity(), office.capacity()), (2, 2));
    let first = granted(&desk).await;
    let mut second = granted(&desk).await;
    assert!(!is_free(&desk));
    second.settle(ANSWERED);
    assert!(!is_free(&desk), "a settled call is in flight until its permit is dropped");
    drop(first);
    assert!(is_free(&desk));
    let _third = granted(&desk).await;
    assert!(!is_free(&desk));
    drop(second);
    assert!(is_free(&desk));
}

pub(crate) async fn calls_get_their_turn_in_the_order_in_which_they_came(office: impl PermitOffice) {
    let desk = open(&office, in_flight(1));
    let first = granted(&desk).await;
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let desk = desk.clone();
        calls.spawn(async move {
            drop(granted(&desk).await);
            number
        });
        tokio::task::yield_now().await;
    }
    drop(first);
    let mut order = Vec::new();
    while let Some(ended) = calls.join_next().await {
        order.push(ended.expect("ends"));
    }
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

pub(crate) async fn a_token_limit_makes_the_next_call_wait(office: impl PermitOffice) {
    // 60,000 a minute: 2,000 at once, then 1,000 a second.
    let desk = open(&office, Limits { tokens_per_minute: Some(60_000), ..Limits::default() });
    drop(desk.acquire(request(2_100)).await.expect("fits"));
    let start = Instant::now();
    drop(desk.acquire(request(90)).await.expect("fits"));
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    assert!(start.elapsed() <= Duration::from_millis(200), "{:?}", start.elapsed());
}

pub(crate) async fn a_call_that_is_larger_than_the_allowance_goes_out_all_the_same(office: impl PermitOffice) {
    let desk = open(&office, Limits { tokens_per_minute: Some(6_000), ..Limits::default() });
    let start = Instant::now();
    drop(desk.acquire(request(9_000)).await.expect("is granted"));
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing else was sent in this minute");
    drop(desk.acquire(request(1)).await.expect("is granted"));
    assert!((MINUTE..MINUTE * 2).contains(&start.elapsed()), "{:?}", start.elapsed());
}

pub(crate) async fn what_is_waited_for_is_known_until_nobody_waits(office: impl PermitOffice) {
    // Twenty at once, then ten a second.
    let limits = Limits {
        calls_in_flight: 2,
        requests_per_minute: Some(600),
        tokens_per_minute: Some(1_000_000),
        ..Limits::default()
    };
    let desk = open(&office, limits);
    let reasons =
        || -> Vec<(String, Reason)> { office.waits().into_iter().map(|wait| (wait.model, wait.reason)).collect() };
    let waits_for = |limit| vec![("m".to_owned(), Reason::OwnLimit(limit))];
    for _ in 0..20 {
        drop(granted(&desk).await);
    }
    assert_eq!(reasons(), []);
    let paced = [0, 1].map(|_| waiting(desk.acquire(request(1))));
    assert_eq!(reasons(), waits_for(OwnLimit::RequestsPerMinute(600)));
    let queued = waiting(desk.acquire(request(1)));
    drop(paced);
    assert_eq!(reasons(), waits_for(OwnLimit::CallsInFlight(2)));
    drop(queued);
    assert_eq!(reasons(), []);
    call(&desk, Settlement::failed(CallEnd::RateLimited, Some(SECOND * 5))).await;
    let [wait] = &office.waits()[..] else { panic!("{:?}", office.waits()) };
    assert_eq!((wait.reason, wait.left, &wait.endpoint), (Reason::Cooldown, Some(SECOND * 5), &endpoint()));
    sleep(SECOND * 5).await;
    assert_eq!(reasons(), []);
}

pub(crate) async fn a_call_that_is_given_up_while_it_waits_costs_nothing(office: impl PermitOffice) {
    let desk = open(&office, in_flight(1));
    let first = granted(&desk).await;
    for _ in 0..100 {
        assert!(timeout(Duration::from_millis(1), desk.acquire(request(1))).await.is_err());
    }
    drop(first);
    for _ in 0..3 {
        assert!(is_free(&desk));
    }
    // Given up with the permit for its place, while it waits for its turn in the minute.
    let paced = office.open(
        RunShare::ordinary(&run("one")),
        &endpoint(),
        "paced",
        Limits { requests_per_minute: Some(60), ..in_flight(1) },
    );
    drop(granted(&paced).await);
    drop(granted(&paced).await);
    assert!(timeout(Duration::from_millis(1), paced.acquire(request(1))).await.is_err());
    sleep(SECOND * 2).await;
    assert!(is_free(&paced));
}
