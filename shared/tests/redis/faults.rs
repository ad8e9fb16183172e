//! A server that goes away in the middle of things, and what everybody finds when it is back.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use valuesim_shared::store::{CellRecord, RedisStore, SentCall, Store as _};
use valuesim_test_servers::{Proxy, RedisServer, eventually, shared_redis};

use crate::support::{
    LIMIT, call, cell, command, each, is_refusing, is_unreachable, plain, reply, run, store, story, until,
};

const CELLS: u32 = 8;
const QUESTIONS: u64 = 100;

/// Writers that note, fail and record calls of their cells as fast as they can, whatever happens.
struct Traffic {
    over: CancellationToken,
    /// Each ends with its cell and how many calls it made.
    writers: JoinSet<(u32, u64)>,
}

impl Traffic {
    fn start(store: &RedisStore) -> Self {
        let over = CancellationToken::new();
        let writers = (1..=CELLS).map(|row| make_calls(store.clone(), row, over.clone())).collect();
        Self { over, writers }
    }

    /// Ends it, and checks that nothing is missing and nothing counts twice.
    async fn check_all_is_there(self, store: &RedisStore) {
        self.over.cancel();
        let calls = tokio::time::timeout(LIMIT, self.writers.join_all()).await.expect("in time");
        assert!(store.state().is_connected(), "{}", store.state());
        for (row, calls) in calls {
            let record = store.cell_record(&run("r"), cell(row)).await.expect("reads");
            assert_eq!(record.replies.len() as u64, calls.min(QUESTIONS));
            let sum = |count: fn(&SentCall) -> u64| record.sent.values().map(count).sum::<u64>();
            let counted = (sum(|sent| sent.times), sum(|sent| sent.failed), sum(|sent| sent.perhaps_billed));
            assert_eq!(counted, (2 * calls, calls, calls), "cell {row}");
        }
    }
}

async fn make_calls(store: RedisStore, row: u32, over: CancellationToken) -> (u32, u64) {
    let r = run("r");
    let mut calls = 0;
    while !over.is_cancelled() {
        let key = call(u16::try_from(calls % QUESTIONS + 1).expect("is small"));
        store.note_sent(&r, cell(row), key, &each()).await.expect("writes");
        store.note_failed(&r, cell(row), key, true).await.expect("writes");
        store.note_sent(&r, cell(row), key, &each()).await.expect("writes");
        store.record_reply(&r, cell(row), key, &reply("yes")).expect("writes");
        calls += 1;
    }
    store.settle().await.expect("writes");
    (row, calls)
}

/// Waits until some of the calls are noted.
async fn until_under_way(store: &RedisStore) {
    let is_under_way = async || {
        let record = store.cell_record(&run("r"), cell(1)).await.expect("reads");
        (record.sent.len() >= 5).then_some(())
    };
    eventually("some noted calls", LIMIT, is_under_way).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_and_started_in_mid_traffic_loses_and_doubles_nothing() {
    let mut server = RedisServer::start().await.expect("starts");
    let store = store(&server.url()).await;
    let traffic = Traffic::start(&store);
    until_under_way(&store).await;
    server.stop().await.expect("stops");
    let state = until(store.connection(), is_unreachable).await;
    assert!(state.to_string().starts_with("unreachable for "), "{state}");
    server.start_again().await.expect("starts");
    traffic.check_all_is_there(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing() {
    let database = shared_redis().await;
    let (proxy, through) = Proxy::in_front_of(&database.url).await.expect("starts");
    let store = store(&through).await;
    let traffic = Traffic::start(&store);
    for _ in 0..10 {
        proxy.cut().await;
        until(store.connection(), is_unreachable).await;
        proxy.heal().await;
        until(store.connection(), |state| !is_unreachable(state)).await;
    }
    traffic.check_all_is_there(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stalls_is_given_up_and_made_again() {
    let database = shared_redis().await;
    let (proxy, through) = Proxy::in_front_of(&database.url).await.expect("starts");
    let store = store(&through).await;
    let traffic = Traffic::start(&store);
    proxy.stall().await;
    let state = until(store.connection(), is_unreachable).await;
    assert!(state.to_string().contains("does not answer in time"), "{state}");
    proxy.heal().await;
    traffic.check_all_is_there(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_flushed_has_nothing_and_goes_on() {
    let server = RedisServer::start().await.expect("starts");
    let store = store(&server.url()).await;
    let r = run("r");
    store.put_manifest(&r, b"{}").await.expect("writes");
    store.put_backstory(&r, cell(1), &story(1)).await.expect("writes");
    store.note_sent(&r, cell(1), call(1), &each()).await.expect("writes");
    server.flush().expect("flushes");
    assert_eq!(store.manifest(&r).await.expect("reads"), None);
    assert_eq!(store.backstory(&r, cell(1)).await.expect("reads"), None);
    assert_eq!(store.cell_record(&r, cell(1)).await.expect("reads"), CellRecord::default());
    store.put_backstory(&r, cell(1), &story(2)).await.expect("writes");
    store.note_sent(&r, cell(1), call(1), &each()).await.expect("writes");
    assert_eq!(store.backstory(&r, cell(1)).await.expect("reads"), Some(story(2)));
    assert_eq!(store.cell_record(&r, cell(1)).await.expect("reads").sent[&call(1)].times, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_memory_is_waited_for_and_reads_go_on() {
    let server = RedisServer::start().await.expect("starts");
    let store = store(&server.url()).await;
    let mut plain = plain(&server.url()).await;
    let r = run("r");
    store.record_reply(&r, cell(1), call(1), &reply("one")).expect("writes");
    store.settle().await.expect("writes");
    command(&mut plain, "CONFIG SET maxmemory 1").await;
    store.record_reply(&r, cell(1), call(2), &reply("two")).expect("is in line");
    let writing = {
        let store = store.clone();
        tokio::spawn(async move { store.settle().await })
    };
    let state = until(store.connection(), is_refusing).await;
    assert!(state.to_string().contains("memory is full (maxmemory)"), "{state}");
    assert_eq!(store.cell_record(&r, cell(1)).await.expect("reads").replies.len(), 1);
    assert!(is_refusing(&store.state()), "a read says nothing of writes");
    command(&mut plain, "CONFIG SET maxmemory 0").await;
    tokio::time::timeout(LIMIT, writing).await.expect("in time").expect("does not panic").expect("writes");
    assert!(store.state().is_connected());
    assert_eq!(store.cell_record(&r, cell(1)).await.expect("reads").replies.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_becomes_a_replica_is_waited_for() {
    let (server, other) = tokio::join!(RedisServer::start(), RedisServer::start());
    let (server, other) = (server.expect("starts"), other.expect("starts"));
    let store = store(&server.url()).await;
    let mut plain = plain(&server.url()).await;
    let (_, port) =
        other.url().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).expect("a port");
    command(&mut plain, &format!("REPLICAOF 127.0.0.1 {port}")).await;
    let writing = {
        let store = store.clone();
        tokio::spawn(async move { store.note_sent(&run("r"), cell(1), call(1), &each()).await })
    };
    let state = until(store.connection(), is_unreachable).await;
    assert!(state.to_string().contains("read-only replica"), "{state}");
    command(&mut plain, "REPLICAOF NO ONE").await;
    tokio::time::timeout(LIMIT, writing).await.expect("in time").expect("does not panic").expect("writes");
    assert_eq!(store.cell_record(&run("r"), cell(1)).await.expect("reads").sent[&call(1)].times, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_noticed_without_a_command() {
    let mut server = RedisServer::start().await.expect("starts");
    let store = store(&server.url()).await;
    server.kill();
    until(store.connection(), is_unreachable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_on_one_cell_add_up() {
    let database = shared_redis().await;
    let (one, other) = tokio::join!(store(&database.url), store(&database.url));
    let r = run("r");
    for (store, text) in [(&one, "one"), (&other, "other")] {
        for _ in 0..3 {
            store.note_sent(&r, cell(1), call(1), &each()).await.expect("writes");
        }
        store.note_failed(&r, cell(1), call(1), true).await.expect("writes");
        store.record_reply(&r, cell(1), call(1), &reply(text)).expect("writes");
        store.settle().await.expect("writes");
    }
    let record = one.cell_record(&r, cell(1)).await.expect("reads");
    assert_eq!(record, other.cell_record(&r, cell(1)).await.expect("reads"));
    let sent = record.sent[&call(1)];
    assert_eq!((sent.times, sent.failed, sent.perhaps_billed), (6, 2, 2));
    assert_eq!(record.replies[&call(1)], reply("one"));
}
