//! What several runs share.

use tokio::time::{Instant, timeout};
use valuesim_shared::permit::{Limits, PermitDesk as _, PermitOffice, Reason, RunShare};

use crate::support::{
    MINUTE, PAUSES, UNANSWERED, call, endpoint, granted, in_flight, is_free, open, refused, request, run,
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
