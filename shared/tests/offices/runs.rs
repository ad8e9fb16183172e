//! What several runs share, and what several keys do not.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::{Instant, sleep, timeout};
use valuesim_shared::permit::{
    CallEnd, Endpoint, KeyName, Limits, Permit as _, PermitDesk as _, PermitOffice, Reason, RunShare, Settlement,
};

use crate::support::{
    ANSWERED, MINUTE, PAUSES, UNANSWERED, call, endpoint, granted, in_flight, is_free, open, refused, request, run,
};

pub(crate) async fn runs_share_what_their_endpoint_and_model_allow(office: impl PermitOffice) {
    let one = office.open(RunShare::ordinary(&run("one")), &endpoint(), "m", in_flight(3));
    let two = office.open(RunShare::ordinary(&run("two")), &endpoint(), "m", in_flight(3));
    let elsewhere = office.open(RunShare::ordinary(&run("two")), &endpoint(), "n", in_flight(5));
    assert_eq!(office.capacity(), 3 + 5);
    let permits = [granted(&one).await, granted(&two).await, granted(&one).await];
    assert!(!is_free(&one) && !is_free(&two) && is_free(&elsewhere));
    drop(permits);
    for _ in 0..5 {
        call(&one, UNANSWERED).await;
    }
    call(&two, UNANSWERED).await;
    assert_eq!(refused(&one).await, Some((Reason::CircuitOpen, PAUSES.first)), "their failures count together");
    drop((two, elsewhere));
    assert_eq!(office.capacity(), 3);
    drop(one);
    assert_eq!((office.capacity(), office.waits()), (0, Vec::new()));
    let again = open(&office, in_flight(3));
    assert_eq!(refused(&again).await, Some((Reason::CircuitOpen, PAUSES.first)), "what is known stays");
}

pub(crate) async fn of_different_limits_the_smallest_of_the_open_desks_holds(office: impl PermitOffice) {
    let wide = office.open(RunShare::ordinary(&run("wide")), &endpoint(), "m", in_flight(4));
    let permits = [granted(&wide).await, granted(&wide).await, granted(&wide).await];
    let limits = Limits { requests_per_minute: Some(3), ..in_flight(2) };
    let narrow = office.open(RunShare::ordinary(&run("narrow")), &endpoint(), "m", limits);
    assert_eq!((wide.capacity(), narrow.capacity(), office.capacity()), (2, 2, 2));
    let [first, second, third] = permits;
    drop(first);
    let start = Instant::now();
    assert!(timeout(MINUTE, wide.acquire(request(1))).await.is_err(), "two are in flight");
    drop(second);
    for _ in 0..4 {
        drop(granted(&wide).await);
    }
    assert!(start.elapsed() >= MINUTE * 2, "requests are limited for both: {:?}", start.elapsed());
    let clone = narrow.clone();
    drop(narrow);
    assert_eq!(wide.capacity(), 2, "a clone keeps the desk open");
    drop(clone);
    assert_eq!(wide.capacity(), 4);
    let _more = [granted(&wide).await, granted(&wide).await, granted(&wide).await];
    assert!(!is_free(&wide), "with the one from before these are four");
    drop(third);
    assert!(is_free(&wide));
}

pub(crate) async fn a_run_with_twice_the_share_gets_twice_as_much(office: impl PermitOffice) {
    let limits = Limits { requests_per_minute: Some(600), ..in_flight(64) };
    let mut answered = Vec::new();
    for (name, share) in [("one", 1), ("two", 2)] {
        let (run, count) = (run(name), Arc::new(AtomicU64::new(0)));
        let share = NonZeroU32::new(share).expect("not 0");
        let desk = office.open(RunShare { run: &run, share }, &endpoint(), "m", limits);
        for _ in 0..20 {
            let (desk, count) = (desk.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                loop {
                    granted(&desk).await.settle(ANSWERED);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        answered.push(count);
    }
    // The first run may have all that could go at once before the second one began.
    sleep(MINUTE / 6).await;
    let before = [0, 1].map(|at: usize| answered[at].load(Ordering::Relaxed));
    sleep(MINUTE / 2).await;
    let [one, two] = [0, 1].map(|at: usize| answered[at].load(Ordering::Relaxed) - before[at]);
    assert!((290..=310).contains(&(one + two)), "{one} and {two}");
    assert!((one * 18..=one * 22).contains(&(two * 10)), "{one} and {two}");
}

pub(crate) async fn a_key_that_is_refused_leaves_another_key_of_the_provider_free(office: impl PermitOffice) {
    let with_key = |name: &str| {
        let endpoint = Endpoint::new("https://api.example.com/v1", KeyName::Variable(name.to_owned()));
        office.open(RunShare::ordinary(&run("one")), &endpoint, "m", in_flight(2))
    };
    let (first, second) = (with_key("FIRST_KEY"), with_key("SECOND_KEY"));
    call(&first, Settlement::failed(CallEnd::RateLimited, Some(MINUTE / 6))).await;
    assert!(matches!(refused(&first).await, Some((Reason::Cooldown, _))));
    let permits = [granted(&second).await, granted(&second).await];
    assert!(!is_free(&second), "each has calls in flight of its own");
    drop(permits);
    assert!(is_free(&second) && !is_free(&first));
}
