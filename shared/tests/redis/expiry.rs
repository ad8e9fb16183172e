//! Everything that a run leaves behind goes: by itself after a while, or when it is told to.

use redis::aio::MultiplexedConnection;
use valuesim_shared::control::{Control as _, DesiredState, Order, RedisControl, RunPhase};
use valuesim_shared::redis_connection::key::EXPIRY;
use valuesim_shared::store::{RedisStore, Store as _};
use valuesim_test_servers::shared_redis;

use crate::message::{about, worker};
use crate::support::{call, cell, each, keys, plain, reply, run, store, story};

/// Longer than any test takes between writing a key and reading its expiry.
const HOUR: i64 = 3_600;

async fn seconds_left(plain: &mut MultiplexedConnection, key: &str) -> i64 {
    redis::cmd("TTL").arg(key).query_async(plain).await.expect("reads")
}

/// The same for many keys in one round trip, so that a short expiry does not end meanwhile.
async fn seconds_left_of_all(plain: &mut MultiplexedConnection, keys: &[String]) -> Vec<i64> {
    let mut commands = redis::pipe();
    for key in keys {
        commands.cmd("TTL").arg(key);
    }
    commands.query_async(plain).await.expect("reads")
}

/// Leaves a key of every kind, and a dictionary if there are stories enough.
async fn leave_everything(store: &RedisStore, name: &str, stories: u32) {
    let r = run(name);
    store.put_manifest(&r, b"{}").await.expect("writes");
    for row in 1..=stories {
        store.put_backstory(&r, cell(row), &story(row)).await.expect("writes");
    }
    store.note_sent(&r, cell(1), call(1), &each()).await.expect("writes");
    store.record_reply(&r, cell(2), call(1), &reply("yes")).expect("writes");
    store.settle().await.expect("writes");
    let control = RedisControl::new(store.connection().clone());
    control.give_order(&r, &Order::new(DesiredState::Pause, "ada".to_owned())).await.expect("writes");
    control.announce(&about(name, RunPhase::Begun)).await.expect("writes");
    control.report_worker(&worker("w1")).await.expect("writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_an_expiry_but_the_manifest_of_a_run_that_is_not_finished() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    leave_everything(&store, "few", 3).await;
    leave_everything(&store, "many", 201).await;
    let mut plain = plain(&database.url).await;
    let all = keys(&mut plain, "*").await;
    for kind in ["samples", "dictionary", "story", "calls", "manifest", "order", "about", "{runs}", "{workers}", ":w1"]
    {
        assert!(all.iter().any(|key| key.ends_with(kind)), "no {kind} in {all:?}");
    }
    let month = i64::try_from(EXPIRY.as_secs()).expect("is short");
    for (key, left) in all.iter().zip(seconds_left_of_all(&mut plain, &all).await) {
        assert!(key.starts_with("valuesim:{"), "{key}");
        let expected = if key.ends_with(":manifest") {
            -1..=-1
        } else if key.ends_with(":w1") {
            1..=10
        } else {
            month - HOUR..=month
        };
        assert!(expected.contains(&left), "{key} has {left} s left");
    }
    store.expire_run(&run("few")).await.expect("writes");
    assert!(seconds_left(&mut plain, "valuesim:{few}:manifest").await > month - HOUR);
    store.put_manifest(&run("few"), b"{}").await.expect("writes");
    assert_eq!(seconds_left(&mut plain, "valuesim:{few}:manifest").await, -1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expiry_begins_anew_when_a_cell_is_taken_over_or_written_to_after_a_loss() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let mut plain = plain(&database.url).await;
    let key = "valuesim:{r/0/1/1}:calls";
    store.note_sent(&run("r"), cell(1), call(1), &each()).await.expect("writes");
    crate::support::command(&mut plain, &format!("EXPIRE {key} 60")).await;
    store.cell_record(&run("r"), cell(1)).await.expect("reads");
    assert!(seconds_left(&mut plain, key).await > 60);
    crate::support::command(&mut plain, "FLUSHDB").await;
    store.record_reply(&run("r"), cell(1), call(1), &reply("yes")).expect("writes");
    store.settle().await.expect("writes");
    assert!(seconds_left(&mut plain, key).await > 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_takes_all_of_a_run_and_nothing_of_another() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    // Names that begin alike, and one that means something in a pattern.
    for name in ["run", "run-2", "ru", "r*"] {
        leave_everything(&store, name, 205).await;
    }
    let mut plain = plain(&database.url).await;
    let before = keys(&mut plain, "*").await;
    let of_run = |key: &&String| key.starts_with("valuesim:{run}") || key.starts_with("valuesim:{run/");
    let (gone, expected): (Vec<_>, Vec<_>) = before.iter().partition(of_run);
    assert_eq!(store.purge(&run("run")).await.expect("purges"), gone.len() as u64);
    assert_eq!(keys(&mut plain, "*").await.iter().collect::<Vec<_>>(), expected);
    assert_eq!(store.purge(&run("run")).await.expect("purges"), 0);
    assert!(store.purge(&run("r*")).await.expect("purges") > 200);
    assert!(store.backstory(&run("ru"), cell(1)).await.expect("reads").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cell_that_is_forgotten_leaves_no_key() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    leave_everything(&store, "r", 3).await;
    let mut plain = plain(&database.url).await;
    assert_eq!(keys(&mut plain, "valuesim:{r/0/1/1}:*").await.len(), 2);
    store.forget(&run("r"), cell(1)).await.expect("writes");
    assert_eq!(keys(&mut plain, "valuesim:{r/0/1/1}:*").await.len(), 0);
    assert_eq!(keys(&mut plain, "valuesim:{r/0/2/1}:*").await.len(), 2);
}
