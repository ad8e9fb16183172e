//! What every implementation does.

use std::time::Duration;

use valuesim_shared::control::{
    ArmScores, CONTROL_VERSION, Change, ChangeKind, Control, DesiredState, History, HistoryPoint, LEASE_EXPIRY, Lead,
    MAX_CHANGES, Order, RunPhase, RunScores, ScoreSoFar, Scored, UnixMillis, WorkerReport,
};
use valuesim_shared::method::Method;

use crate::implementations::Implementation;
use crate::message::{about, coordinator, process, run, worker};

/// A limit for hangs: how long an order may take to be seen.
const LIMIT: Duration = Duration::from_mins(2);

pub(crate) async fn an_order_is_seen_by_all_who_follow<I: Implementation>(each: I) {
    let (operator, other) = (each.one(), each.other());
    let mut following = other.follow(&run("r")).await;
    assert_eq!(*following.order.borrow(), None);
    for desired in [DesiredState::Pause, DesiredState::Go, DesiredState::Cancel] {
        let order = Order::new(desired, "ada@host".to_owned());
        operator.give_order(&run("r"), &order).await.expect("writes");
        let seen = following.order.wait_for(|seen| seen.as_ref() == Some(&order));
        tokio::time::timeout(LIMIT, seen).await.expect("in time").expect("it is followed");
    }
    assert_eq!(operator.order(&run("other")).await, Ok(None));
    // Who comes later finds it.
    assert_eq!(
        operator.follow(&run("r")).await.order.borrow().as_ref().map(|order| order.desired),
        Some(DesiredState::Cancel)
    );
}

pub(crate) async fn processes_are_listed_until_they_end_or_are_silent_for_long<I: Implementation>(each: I) {
    let (control, other_process) = (each.one(), each.other());
    assert_eq!(control.workers().await.expect("reads").all, []);
    let (one, other) = (worker("w1"), worker("w2"));
    control.report_worker(&one).await.expect("writes");
    control.report_worker(&WorkerReport { draining: true, ..other.clone() }).await.expect("writes");
    control.report_worker(&other).await.expect("writes");
    control.report_coordinator(&coordinator("c1")).await.expect("writes");
    let mut found = other_process.workers().await.expect("reads").all;
    found.sort_by(|a, b| a.process.id.cmp(&b.process.id));
    assert_eq!(found, [one.clone(), other]);
    let coordinators = other_process.coordinators().await.expect("reads").all;
    assert_eq!(coordinators.iter().map(|report| &report.process.id).collect::<Vec<_>>(), ["c1"]);
    // One ends in good order, the others are not heard of any more.
    control.worker_ended("w2").await.expect("writes");
    control.worker_ended("w2").await.expect("writes");
    assert_eq!(other_process.workers().await.expect("reads").all, [one]);
    each.wait_for_expiry().await;
    assert_eq!(control.workers().await.expect("reads").all, []);
    assert_eq!(control.coordinators().await.expect("reads").all, []);
    control.report_coordinator(&coordinator("c2")).await.expect("writes");
    control.coordinator_ended("c2").await.expect("writes");
    assert_eq!(control.coordinators().await.expect("reads").all, []);
}

pub(crate) async fn changes_are_kept_the_latest_first_and_not_for_ever<I: Implementation>(each: I) {
    let (operator, other) = (each.one(), each.other());
    assert_eq!(other.changes(&run("r")).await, Ok(Vec::new()));
    let change = |number: usize| Change {
        at: UnixMillis(number as u64),
        ..Change::new(ChangeKind::Pause, format!("ada{number}\n@h"), Some("the key is\nnew".to_owned()), None)
    };
    for number in 0..MAX_CHANGES + 3 {
        operator.note_change(&run("r"), &change(number)).await.expect("writes");
    }
    let newer = Change { version: CONTROL_VERSION + 1, ..change(0) };
    operator.note_change(&run("r"), &newer).await.expect("writes");
    let kept = other.changes(&run("r")).await.expect("reads");
    let expected: Vec<Change> = (4..MAX_CHANGES + 3).rev().map(change).collect();
    assert_eq!(kept, expected, "that of the newer release takes a place and is left out");
    assert_eq!(other.changes(&run("other")).await, Ok(Vec::new()));
}

pub(crate) async fn a_history_is_kept_until_another_replaces_it<I: Implementation>(each: I) {
    let (coordinator, reader) = (each.one(), each.other());
    assert_eq!(reader.history(&run("r")).await, Ok(None));
    let mut history = History::default();
    for finished in 1..=2 {
        let point = HistoryPoint { at: UnixMillis(finished * 60_000), finished, ..HistoryPoint::from((0, 0, 1, 2)) };
        assert!(history.add(point));
        coordinator.keep_history(&run("r"), &history).await.expect("writes");
        assert_eq!(reader.history(&run("r")).await, Ok(Some(history.clone())));
    }
    assert_eq!(reader.history(&run("other")).await, Ok(None));
}

pub(crate) async fn a_report_of_a_newer_release_is_counted<I: Implementation>(each: I) {
    let control = each.one();
    control.report_worker(&WorkerReport { version: CONTROL_VERSION + 1, ..worker("new") }).await.expect("writes");
    control.report_worker(&worker("old")).await.expect("writes");
    let found = control.workers().await.expect("reads");
    assert_eq!((found.all.len(), found.unreadable), (1, 1));
}

pub(crate) async fn an_order_of_a_newer_release_is_no_reason_to_go_on<I: Implementation>(each: I) {
    let control = each.one();
    let newer = Order { version: CONTROL_VERSION + 1, ..Order::new(DesiredState::Pause, "ada".to_owned()) };
    control.give_order(&run("r"), &newer).await.expect("writes");
    let said = control.order(&run("r")).await.expect_err("is not understood").to_string();
    assert!(said.contains("read the order for run r: another release wrote it"), "{said}");
}

pub(crate) async fn runs_are_listed_with_the_orders_for_them_until_they_are_struck_out<I: Implementation>(each: I) {
    let control = each.one();
    control.announce(&about("one", RunPhase::Begun)).await.expect("writes");
    control.announce(&about("other", RunPhase::Begun)).await.expect("writes");
    control.announce(&about("one", RunPhase::Finished)).await.expect("writes");
    let order = Order::new(DesiredState::Pause, "ada".to_owned());
    control.give_order(&run("other"), &order).await.expect("writes");
    let mut found = each.other().runs().await.expect("reads").all;
    // Both may have been told of within one millisecond.
    found.sort_by(|(one, _), (other, _)| one.run.cmp(&other.run));
    assert_eq!(found, [(about("one", RunPhase::Finished), None), (about("other", RunPhase::Begun), Some(order))]);
    assert_eq!(control.about(&run("one")).await, Ok(Some(about("one", RunPhase::Finished))));
    assert_eq!(control.about(&run("nobody")).await, Ok(None));
    control.strike_out(&run("other")).await.expect("writes");
    assert_eq!(control.runs().await.expect("reads").all, [(about("one", RunPhase::Finished), None)]);
}

pub(crate) async fn scores_are_replaced_and_outlive_their_coordinator<I: Implementation>(each: I) {
    let (control, other_process) = (each.one(), each.other());
    assert_eq!(control.scores(&run("one")).await, Ok(None));
    control.announce(&about("one", RunPhase::Begun)).await.expect("writes");
    control.report_scores(&scores("one")).await.expect("writes");
    let later = RunScores { cells: Scored { scored: 9, planned: 10 }, ..scores("one") };
    control.report_scores(&later).await.expect("writes");
    each.wait_for_expiry().await;
    assert_eq!(other_process.scores(&run("one")).await, Ok(Some(later)));
    assert_eq!(other_process.scores(&run("other")).await, Ok(None));
    let newer = RunScores { version: CONTROL_VERSION + 1, ..scores("other") };
    control.report_scores(&newer).await.expect("writes");
    assert_eq!(control.scores(&run("other")).await, Ok(None), "another release wrote them");
    control.strike_out(&run("one")).await.expect("writes");
    assert_eq!(control.scores(&run("one")).await, Ok(None));
}

pub(crate) async fn an_order_that_was_lost_is_given_again_and_none_is_replaced<I: Implementation>(each: I) {
    let control = each.one();
    let (pause, go) =
        (Order::new(DesiredState::Pause, "ada".to_owned()), Order::new(DesiredState::Go, "bob".to_owned()));
    let begun = about("one", RunPhase::Begun);
    assert_eq!(control.announce_under(&pause, &begun).await, Ok(true), "there was none");
    assert_eq!(control.order(&run("one")).await, Ok(Some(pause.clone())));
    control.give_order(&run("one"), &go).await.expect("writes");
    assert_eq!(control.announce_under(&pause, &begun).await, Ok(false), "another holds now");
    assert_eq!(control.runs().await.expect("reads").all, [(begun, Some(go))]);
}

pub(crate) async fn a_run_has_one_leader_until_it_gives_the_lead_up_or_is_silent_for_long<I: Implementation>(each: I) {
    let (one, other) = (each.one(), each.other());
    let (first, second) = (process("c1", 1), process("c2", 2));
    let r = run("r");
    assert_eq!(one.take_lead(&r, &first, None).await, Ok(Lead::Ours));
    assert_eq!(one.take_lead(&r, &first, None).await, Ok(Lead::Ours), "it has it already");
    let Ok(Lead::Held { by, left }) = other.take_lead(&r, &second, None).await else { panic!("it is held") };
    assert_eq!(by, first);
    assert!(!left.is_zero() && left <= LEASE_EXPIRY, "{left:?}");
    assert_eq!(other.take_lead(&run("other"), &second, None).await, Ok(Lead::Ours), "another run");
    // Somebody else's lead is not given up.
    other.release_lead(&r, &second).await.expect("writes");
    assert!(matches!(other.take_lead(&r, &second, None).await, Ok(Lead::Held { .. })));
    one.release_lead(&r, &first).await.expect("writes");
    assert_eq!(other.take_lead(&r, &second, None).await, Ok(Lead::Ours));
    each.wait_for_expiry().await;
    assert_eq!(one.take_lead(&r, &first, None).await, Ok(Lead::Ours));
    // A process that is known to be gone bars nobody, whoever else does.
    assert!(matches!(other.take_lead(&r, &second, Some("c3")).await, Ok(Lead::Held { .. })));
    assert_eq!(other.take_lead(&r, &second, Some("c1")).await, Ok(Lead::Ours));
}

pub(crate) async fn of_two_leaders_the_one_that_started_first_stays<I: Implementation>(each: I) {
    let (one, other) = (each.one(), each.other());
    let (first, second, same_age) = (process("c1", 1), process("c2", 2), process("c0", 1));
    let r = run("r");
    assert_eq!(other.renew_lead(&r, &second).await, Ok(None), "nobody has it, as after a loss");
    assert_eq!(one.renew_lead(&r, &first).await, Ok(None), "it is older");
    assert_eq!(one.renew_lead(&r, &first).await, Ok(None));
    assert_eq!(other.renew_lead(&r, &second).await, Ok(Some(first.clone())));
    assert!(matches!(other.take_lead(&r, &second, None).await, Ok(Lead::Held { by, .. }) if by == first));
    // Of the same age: by their names, so that both say the same.
    assert_eq!(other.renew_lead(&r, &same_age).await, Ok(None));
    assert_eq!(one.renew_lead(&r, &first).await, Ok(Some(same_age)));
    each.wait_for_expiry().await;
    assert_eq!(other.renew_lead(&r, &second).await, Ok(None), "the older one was silent for long");
}

pub(crate) async fn of_many_who_would_lead_at_once_one_does<I: Implementation>(each: I) {
    let r = run("r");
    let asking = (0..20).map(|number| {
        let (control, r) = (if number % 2 == 0 { each.one() } else { each.other() }, r.clone());
        tokio::spawn(async move { control.take_lead(&r, &process(&format!("c{number}"), number), None).await })
    });
    let mut leaders = 0;
    for asked in asking.collect::<Vec<_>>() {
        leaders += u32::from(asked.await.expect("does not panic") == Ok(Lead::Ours));
    }
    assert_eq!(leaders, 1);
}

pub(crate) async fn any_name_is_a_name<I: Implementation>(each: I) {
    let control = each.one();
    for name in ["../up", "a/b", "", ".", "a}b", "\u{1f600}", "order-r", "r.json"] {
        let order = Order::new(DesiredState::Pause, name.to_owned());
        control.give_order(&run(name), &order).await.expect("writes");
        assert_eq!(each.other().order(&run(name)).await, Ok(Some(order)), "{name}");
    }
    assert_eq!(control.order(&run("r")).await, Ok(None));
}

fn scores(name: &str) -> RunScores {
    let overall = ScoreSoFar { answers: 58, accuracy: None, mae: None };
    let arm = ArmScores { method: Method::Mode, model: None, overall, categories: [].into() };
    RunScores {
        version: CONTROL_VERSION,
        run: run(name),
        simulated: true,
        cells: Scored { scored: 1, planned: 10 },
        persons: Scored { scored: 1, planned: 2 },
        persons_in_part: 1,
        arms: vec![arm],
        at: UnixMillis(2),
    }
}
