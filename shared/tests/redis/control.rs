//! Orders that are obeyed within a second, and lists of what is alive.

use valuesim_shared::control::{
    AboutRun, CONTROL_VERSION, CellCounts, Control as _, ControlError, CoordinatorReport, Order, Process, RedisControl,
    RunPhase, UnixMillis, Wish, WorkerReport,
};
use valuesim_shared::link::LinkError;
use valuesim_shared::money::NanoUsd;
use valuesim_test_servers::{Proxy, RedisServer, shared_redis};

use crate::support::{LIMIT, command, link, plain, run};

fn process(id: &str) -> Process {
    let (host, release) = ("host".to_owned(), "0.1.0".to_owned());
    Process { id: id.to_owned(), host, pid: 7, release, started_at: UnixMillis(1) }
}

pub(crate) fn worker(id: &str) -> WorkerReport {
    WorkerReport {
        version: CONTROL_VERSION,
        process: process(id),
        runs: vec![run("r")],
        draining: false,
        tasks: 2,
        calls_in_flight: 3,
        capacity: 64,
        calls_per_second: 12.5,
        http: None,
        last_trouble: None,
        troubles: Vec::new(),
        at: UnixMillis::now(),
    }
}

fn coordinator(id: &str) -> CoordinatorReport {
    CoordinatorReport {
        version: CONTROL_VERSION,
        process: process(id),
        run: run("r"),
        cells: CellCounts { planned: 10, finished: 1, under_way: 2, dead: 0 },
        cells_per_second: 0.5,
        last_finished_at: None,
        spent: NanoUsd(7),
        priced: true,
        http: Some("http://127.0.0.1:9090".to_owned()),
        last_trouble: Some((UnixMillis(3), "slow".to_owned())),
        at: UnixMillis::now(),
    }
}

fn about(name: &str, phase: RunPhase) -> AboutRun {
    AboutRun {
        version: CONTROL_VERSION,
        run: run(name),
        models: vec!["m".to_owned()],
        phase,
        cells: CellCounts::default(),
        spent: NanoUsd(1),
        priced: true,
        stopped_by: None,
        begun_at: UnixMillis(1),
        at: UnixMillis(2),
    }
}

#[tokio::test]
async fn an_order_is_seen_by_all_who_follow() {
    let database = shared_redis().await;
    let (operator, other) = tokio::join!(link(&database.url), link(&database.url));
    let (operator, other) = (RedisControl::new(operator), RedisControl::new(other));
    let mut following = other.follow(&run("r")).await;
    assert_eq!(*following.order.borrow(), None);
    for wish in [Wish::Pause, Wish::Go, Wish::Cancel] {
        let order = Order::new(wish, "ada@host".to_owned());
        operator.give_order(&run("r"), &order).await.expect("writes");
        let seen = following.order.wait_for(|seen| seen.as_ref() == Some(&order));
        tokio::time::timeout(LIMIT, seen).await.expect("in time").expect("it is followed");
    }
    assert_eq!(operator.order(&run("other")).await, Ok(None));
    // Who comes later finds it.
    assert_eq!(operator.follow(&run("r")).await.order.borrow().as_ref().map(|order| order.wish), Some(Wish::Cancel));
}

#[tokio::test]
async fn an_order_of_a_newer_release_is_no_reason_to_go_on() {
    let database = shared_redis().await;
    let control = RedisControl::new(link(&database.url).await);
    let mut plain = plain(&database.url).await;
    command(&mut plain, r#"SET valuesim:{r}:order {"version":2,"wish":"something"}"#).await;
    let said = control.order(&run("r")).await.expect_err("is not understood").to_string();
    assert!(said.contains("another release gave the order for run r"), "{said}");
}

#[tokio::test]
async fn workers_and_coordinators_are_listed_while_they_are_alive() {
    let database = shared_redis().await;
    let control = RedisControl::new(link(&database.url).await);
    assert_eq!(control.workers().await.expect("reads").all, []);
    let (one, other) = (worker("w1"), worker("w2"));
    control.report_worker(&one).await.expect("writes");
    control.report_worker(&WorkerReport { draining: true, ..other.clone() }).await.expect("writes");
    control.report_worker(&other).await.expect("writes");
    control.report_coordinator(&coordinator("c1")).await.expect("writes");
    let mut found = control.workers().await.expect("reads").all;
    found.sort_by(|a, b| a.process.id.cmp(&b.process.id));
    assert_eq!(found, [one.clone(), other]);
    let coordinators = control.coordinators().await.expect("reads").all;
    assert_eq!(coordinators.iter().map(|report| &report.process.id).collect::<Vec<_>>(), ["c1"]);

    // One ends in good order, one is not heard of any more.
    control.worker_ended("w2").await.expect("writes");
    let mut plain = plain(&database.url).await;
    command(&mut plain, "PEXPIRE valuesim:{coordinators}:c1 0").await;
    assert_eq!(control.workers().await.expect("reads").all, [one]);
    assert_eq!(control.coordinators().await.expect("reads").all, []);
    assert_eq!(command(&mut plain, "ZCARD valuesim:{coordinators}").await, redis::Value::Int(0));
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_read_all_the_same() {
    let server = RedisServer::start().await.expect("starts");
    let control = RedisControl::new(link(&server.url()).await);
    control.announce(&about("one", RunPhase::Begun)).await.expect("writes");
    for id in ["here", "gone"] {
        control.report_worker(&worker(id)).await.expect("writes");
        control.report_coordinator(&coordinator(id)).await.expect("writes");
    }
    let mut plain = plain(&server.url()).await;
    for list in ["workers", "coordinators"] {
        command(&mut plain, &format!("PEXPIRE valuesim:{{{list}}}:gone 0")).await;
    }
    command(&mut plain, "CONFIG SET min-replicas-to-write 1").await;
    assert_eq!(control.workers().await.expect("reads").all.len(), 1);
    assert_eq!(control.coordinators().await.expect("reads").all.len(), 1);
    assert_eq!(control.runs().await.expect("reads").all.len(), 1);
    let said = control.announce(&about("one", RunPhase::Begun)).await.expect_err("writes nothing").to_string();
    assert!(said.contains("it takes no writes while its replicas are away"), "{said}");
}

#[tokio::test]
async fn a_report_of_a_newer_release_is_counted() {
    let database = shared_redis().await;
    let control = RedisControl::new(link(&database.url).await);
    control.report_worker(&WorkerReport { version: CONTROL_VERSION + 1, ..worker("new") }).await.expect("writes");
    control.report_worker(&worker("old")).await.expect("writes");
    let found = control.workers().await.expect("reads");
    assert_eq!((found.all.len(), found.unreadable), (1, 1));
}

#[tokio::test]
async fn runs_are_listed_with_the_orders_for_them_until_they_are_struck_out() {
    let database = shared_redis().await;
    let control = RedisControl::new(link(&database.url).await);
    control.announce(&about("one", RunPhase::Begun)).await.expect("writes");
    control.announce(&about("other", RunPhase::Begun)).await.expect("writes");
    control.announce(&about("one", RunPhase::Finished)).await.expect("writes");
    let order = Order::new(Wish::Pause, "ada".to_owned());
    control.give_order(&run("other"), &order).await.expect("writes");
    let mut found = control.runs().await.expect("reads").all;
    // Both may have been told of within one millisecond.
    found.sort_by(|(one, _), (other, _)| one.run.cmp(&other.run));
    assert_eq!(found, [(about("one", RunPhase::Finished), None), (about("other", RunPhase::Begun), Some(order))]);
    control.strike_out(&run("other")).await.expect("writes");
    assert_eq!(control.runs().await.expect("reads").all, [(about("one", RunPhase::Finished), None)]);
}

#[tokio::test]
async fn an_order_that_was_lost_is_given_again_and_none_is_replaced() {
    let database = shared_redis().await;
    let control = RedisControl::new(link(&database.url).await);
    let (pause, go) = (Order::new(Wish::Pause, "ada".to_owned()), Order::new(Wish::Go, "bob".to_owned()));
    let begun = about("one", RunPhase::Begun);
    assert_eq!(control.announce_under(&pause, &begun).await, Ok(true), "there was none");
    assert_eq!(control.order(&run("one")).await, Ok(Some(pause.clone())));
    control.give_order(&run("one"), &go).await.expect("writes");
    assert_eq!(control.announce_under(&pause, &begun).await, Ok(false), "another holds now");
    assert_eq!(control.runs().await.expect("reads").all, [(begun, Some(go))]);
}

#[tokio::test]
async fn an_operator_hears_what_cannot_be_reached() {
    let database = shared_redis().await;
    let (proxy, through) = Proxy::in_front_of(&database.url).await.expect("starts");
    let control = RedisControl::new(link(&through).await);
    let following = control.follow(&run("r")).await;
    for away in [false, true] {
        if away {
            proxy.cut().await;
        } else {
            proxy.stall().await;
        }
        let asked = tokio::time::timeout(LIMIT, control.workers());
        let said = asked.await.expect("does not wait for ever").expect_err("is away");
        assert!(matches!(said, ControlError::Server(LinkError::Unreachable { .. })), "{said}");
    }
    // What was last said stands.
    assert_eq!(*following.order.borrow(), None);
    proxy.heal().await;
    assert_eq!(control.workers().await.expect("reads").all, []);
}
