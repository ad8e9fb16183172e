//! What of orders and signs of life is Redis' own: expiry, other releases, a server that is away or takes no writes.

use valuesim_shared::control::{Control as _, ControlError, Lead, RedisControl, RunPhase};
use valuesim_shared::redis_connection::RedisConnectionError;
use valuesim_test_servers::{Proxy, RedisServer, shared_redis};

use crate::message::{about, coordinator, process, worker};
use crate::support::{LIMIT, command, connect, plain, run};

#[tokio::test]
async fn an_order_of_a_newer_release_is_no_reason_to_go_on() {
    let database = shared_redis().await;
    let control = RedisControl::new(connect(&database.url).await);
    let mut plain = plain(&database.url).await;
    command(&mut plain, r#"SET valuesim:{r}:order {"version":2,"wish":"something"}"#).await;
    let said = control.order(&run("r")).await.expect_err("is not understood").to_string();
    assert!(said.contains("read the order for run r: another release wrote it"), "{said}");
}

#[tokio::test]
async fn a_process_that_is_not_heard_of_any_more_leaves_its_list() {
    let database = shared_redis().await;
    let control = RedisControl::new(connect(&database.url).await);
    control.report_coordinator(&coordinator("c1")).await.expect("writes");
    let mut plain = plain(&database.url).await;
    command(&mut plain, "PEXPIRE valuesim:{coordinators}:c1 0").await;
    assert_eq!(control.coordinators().await.expect("reads").all, []);
    assert_eq!(command(&mut plain, "ZCARD valuesim:{coordinators}").await, redis::Value::Int(0));
}

/// By its own clock, a coordinator that is 400 days ahead would take all others for silent.
#[tokio::test]
async fn signs_of_life_are_dated_by_the_servers_clock() {
    let server = RedisServer::start().await.expect("starts");
    let control = RedisControl::new(connect(&server.url()).await);
    let mut plain = plain(&server.url()).await;
    // A member that an earlier release with such a clock has added, and one that is silent for 31 days.
    command(&mut plain, "ZADD valuesim:{workers} 99999999999999 ahead 1 silent").await;
    for id in ["w1", "w2"] {
        control.report_worker(&worker(id)).await.expect("writes");
    }
    control.report_coordinator(&coordinator("c1")).await.expect("writes");
    control.announce(&about("one", RunPhase::Begun)).await.expect("writes");
    let members: Vec<String> =
        redis::cmd("ZRANGE").arg("valuesim:{workers}").arg(0).arg(-1).query_async(&mut plain).await.expect("reads");
    assert_eq!(members, ["w1", "w2", "ahead"]);
    let asked: String = redis::cmd("INFO").arg("commandstats").query_async(&mut plain).await.expect("reads");
    assert!(asked.contains("cmdstat_time:calls=4"), "each report asked the server for its time: {asked}");
}

#[tokio::test]
async fn a_leader_that_cannot_be_read_bars_nobody() {
    let database = shared_redis().await;
    let control = RedisControl::new(connect(&database.url).await);
    let mut plain = plain(&database.url).await;
    for value in ["nonsense", "7", "{}"] {
        command(&mut plain, &format!("SET valuesim:{{r}}:leader {value}")).await;
        assert_eq!(control.renew_lead(&run("r"), &process("c1", 1)).await, Ok(None));
        command(&mut plain, &format!("SET valuesim:{{r}}:leader {value}")).await;
        assert_eq!(control.take_lead(&run("r"), &process("c1", 1), None).await, Ok(Lead::Ours));
    }
    let redis::Value::Int(left) = command(&mut plain, "PTTL valuesim:{r}:leader").await else { panic!("a number") };
    assert!((1..=10_000).contains(&left), "{left} ms");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_read_all_the_same() {
    let server = RedisServer::start().await.expect("starts");
    let control = RedisControl::new(connect(&server.url()).await);
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
    assert!(said.contains("it accepts no writes while its replicas are unreachable"), "{said}");
}

#[tokio::test]
async fn an_operator_hears_within_seconds_what_cannot_be_reached() {
    let database = shared_redis().await;
    let (proxy, through) = Proxy::in_front_of(&database.url).await.expect("starts");
    let control = RedisControl::new(connect(&through).await);
    let following = control.follow(&run("r")).await;
    for away in [false, true] {
        if away {
            proxy.cut().await;
        } else {
            proxy.stall().await;
        }
        let asked = tokio::time::timeout(LIMIT, control.workers());
        let said = asked.await.expect("does not wait for ever").expect_err("is away");
        assert!(matches!(said, ControlError::Server(RedisConnectionError::Unreachable { .. })), "{said}");
    }
    // What was last said stands.
    assert_eq!(*following.order.borrow(), None);
    proxy.heal().await;
    assert_eq!(control.workers().await.expect("reads").all, []);
}
