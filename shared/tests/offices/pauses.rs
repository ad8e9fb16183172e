//! What keeps all calls back: a provider's pause, a provider that is down, a process that stood still.

use tokio::time::{advance, sleep};
use valuesim_shared::permit::{
    CallEnd, Endpoint, KeyName, Permit as _, PermitDesk as _, PermitOffice, Reason, Refusal, RunShare, Settlement,
};

use crate::support::{
    ANSWERED, PAUSES, SECOND, UNANSWERED, call, endpoint, granted, in_flight, is_free, open, refused, request, run,
    waiting,
};

pub(crate) async fn a_permit_that_is_dropped_unsettled_says_nothing(office: impl PermitOffice) {
    let desk = open(&office, in_flight(1));
    for _ in 0..10 {
        drop(granted(&desk).await);
    }
    assert_eq!(refused(&desk).await, None, "no failures are counted");
    call(&desk, UNANSWERED).await;
    drop(granted(&desk).await);
    call(&desk, UNANSWERED).await;
    assert_eq!(refused(&desk).await, Some((Reason::CircuitOpen, PAUSES.first)), "nor answers");
}

pub(crate) async fn what_the_provider_asks_of_one_call_holds_for_all(office: impl PermitOffice) {
    let desks = ["one", "two"].map(|name| office.open(RunShare::ordinary(&run(name)), &endpoint(), "m", in_flight(8)));
    let other_model = office.open(RunShare::ordinary(&run("one")), &endpoint(), "n", in_flight(8));
    let other_key = Endpoint::new("https://api.example.com/v1", KeyName::None);
    let other_key = office.open(RunShare::ordinary(&run("one")), &other_key, "m", in_flight(8));
    for (end, asked) in [(CallEnd::RateLimited, 5), (CallEnd::Overloaded, 3), (CallEnd::Unanswered, 2)] {
        call(&desks[0], Settlement::failed(end, Some(SECOND * asked))).await;
        for desk in &desks {
            assert_eq!(refused(desk).await, Some((Reason::Cooldown, SECOND * asked)));
        }
        assert_eq!((refused(&other_model).await, refused(&other_key).await), (None, None));
        sleep(SECOND * asked).await;
        assert_eq!(refused(&desks[1]).await, None);
    }
}

pub(crate) async fn the_longest_pause_stands(office: impl PermitOffice) {
    let desk = open(&office, in_flight(8));
    let mut under_way = [granted(&desk).await, granted(&desk).await];
    under_way[0].settle(Settlement::failed(CallEnd::RateLimited, Some(SECOND * 5)));
    under_way[1].settle(Settlement::failed(CallEnd::RateLimited, Some(SECOND * 2)));
    assert_eq!(refused(&desk).await, Some((Reason::Cooldown, SECOND * 5)));
    sleep(SECOND * 4).await;
    assert_eq!(refused(&desk).await, Some((Reason::Cooldown, SECOND)));
    sleep(SECOND).await;
    assert_eq!(refused(&desk).await, None);
}

pub(crate) async fn calls_that_waited_while_a_pause_began_do_not_go_out(office: impl PermitOffice) {
    let desk = open(&office, in_flight(1));
    let mut first = granted(&desk).await;
    let waits = waiting(desk.acquire(request(1)));
    first.settle(Settlement::failed(CallEnd::RateLimited, Some(SECOND)));
    drop(first);
    let refused = waits.await.map(drop);
    assert_eq!(refused, Err(Refusal::NotNow { reason: Reason::Cooldown, left: SECOND }));
}

pub(crate) async fn the_circuit_opens_when_all_have_failed_twice_and_until_one_is_answered(office: impl PermitOffice) {
    let desk = open(&office, in_flight(4));
    let fails = async |times| {
        for _ in 0..times {
            call(&desk, UNANSWERED).await;
        }
    };
    fails(7).await;
    call(&desk, ANSWERED).await;
    fails(7).await;
    assert_eq!(refused(&desk).await, None, "an answer came between");
    let mut under_way = Vec::new();
    for _ in 0..3 {
        under_way.push(granted(&desk).await);
    }
    fails(1).await;
    assert_eq!(refused(&desk).await, Some((Reason::CircuitOpen, PAUSES.first)));
    for permit in &mut under_way {
        permit.settle(UNANSWERED);
    }
    drop(under_way);
    assert_eq!(refused(&desk).await, Some((Reason::CircuitOpen, PAUSES.first)), "these were sent before");
    for pause in [PAUSES.first * 2, PAUSES.longest, PAUSES.longest] {
        sleep(PAUSES.longest).await;
        assert_eq!(refused(&desk).await, None);
        fails(1).await;
        assert_eq!(refused(&desk).await, Some((Reason::CircuitOpen, pause)), "the first that goes out is enough");
    }
    sleep(PAUSES.longest).await;
    call(&desk, Settlement::failed(CallEnd::Declined, None)).await;
    fails(7).await;
    assert_eq!(refused(&desk).await, None, "a no to one prompt is an answer, and it all begins anew");
    fails(1).await;
    assert_eq!(refused(&desk).await, Some((Reason::CircuitOpen, PAUSES.first)));
}

pub(crate) async fn a_refused_configuration_opens_no_circuit(office: impl PermitOffice) {
    let desk = open(&office, in_flight(1));
    for _ in 0..10 {
        call(&desk, Settlement::failed(CallEnd::Rejected, Some(SECOND))).await;
    }
    assert_eq!(refused(&desk).await, None);
}

pub(crate) async fn a_process_that_stood_still_begins_no_call_for_a_second(office: impl PermitOffice) {
    let desks = ["m", "n"].map(|model| office.open(RunShare::ordinary(&run("one")), &endpoint(), model, in_flight(8)));
    sleep(SECOND * 30).await;
    assert_eq!(refused(&desks[0]).await, None, "it goes on while it waits");
    let permit = granted(&desks[1]).await;
    advance(SECOND * 3).await;
    for desk in &desks {
        assert_eq!(refused(desk).await, Some((Reason::Stalled, SECOND)));
    }
    drop(permit);
    sleep(SECOND / 2).await;
    assert!(!is_free(&desks[0]));
    sleep(SECOND / 2).await;
    assert!(desks.iter().all(is_free));
}
