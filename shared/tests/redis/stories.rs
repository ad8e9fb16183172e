//! Backstories: small, with a dictionary that is made once whoever makes it, and readable by whoever comes later.

use redis::aio::MultiplexedConnection;
use valuesim_shared::store::{RedisStore, Store as _};
use valuesim_test_servers::shared_redis;

use crate::support::{cell, command, keys, plain, run, store, story};

/// As many as it takes until there is a dictionary.
const FIRST: u32 = 200;

async fn put(store: &RedisStore, rows: impl IntoIterator<Item = u32>) {
    for row in rows {
        store.put_backstory(&run("r"), cell(row), &story(row)).await.expect("writes");
    }
}

async fn check_can_be_read(store: &RedisStore, rows: impl IntoIterator<Item = u32>) {
    for row in rows {
        assert_eq!(store.backstory(&run("r"), cell(row)).await.expect("reads"), Some(story(row)), "row {row}");
    }
}

/// The dictionaries that are kept, without the pointer to the run's.
async fn dictionaries(plain: &mut MultiplexedConnection) -> Vec<String> {
    keys(plain, "valuesim:{r}:dictionary:*").await
}

async fn size(plain: &mut MultiplexedConnection, row: u32) -> usize {
    redis::cmd("STRLEN").arg(format!("valuesim:{{r/0/{row}/1}}:story")).query_async(plain).await.expect("reads")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_after_the_first_two_hundred_share_a_dictionary() {
    let database = shared_redis().await;
    let (writer, reader) = tokio::join!(store(&database.url), store(&database.url));
    let mut plain = plain(&database.url).await;
    put(&writer, 1..FIRST).await;
    assert!(dictionaries(&mut plain).await.is_empty());
    put(&writer, FIRST..FIRST + 20).await;
    assert_eq!(dictionaries(&mut plain).await.len(), 1);
    assert_eq!(keys(&mut plain, "valuesim:{r}:samples").await.len(), 0);
    check_can_be_read(&reader, 1..FIRST + 20).await;
    let (before, after) = (size(&mut plain, 1).await, size(&mut plain, FIRST + 1).await);
    assert!(after * 2 < before, "{before} bytes without, {after} with a dictionary");
    // Somebody who comes later uses it from the first story on.
    let newcomer = store(&database.url).await;
    put(&newcomer, [5_000]).await;
    assert!(size(&mut plain, 5_000).await * 2 < before);
    check_can_be_read(&writer, [5_000]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_reach_the_two_hundredth_story_together_make_one_dictionary() {
    let database = shared_redis().await;
    let mut writers = tokio::task::JoinSet::new();
    for part in 0..4 {
        let store = store(&database.url).await;
        writers.spawn(async move { put(&store, (1..=600).filter(|row| row % 4 == part)).await });
    }
    writers.join_all().await;
    let mut plain = plain(&database.url).await;
    assert_eq!(dictionaries(&mut plain).await.len(), 1);
    assert_eq!(keys(&mut plain, "valuesim:{r}:samples").await.len(), 0);
    check_can_be_read(&store(&database.url).await, 1..=600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_dictionary_puts_it_back_after_a_flush() {
    let database = shared_redis().await;
    let writer = store(&database.url).await;
    let mut plain = plain(&database.url).await;
    put(&writer, 1..=FIRST).await;
    let made = dictionaries(&mut plain).await;
    command(&mut plain, "FLUSHDB").await;
    put(&writer, [FIRST + 1]).await;
    assert_eq!(dictionaries(&mut plain).await, made);
    check_can_be_read(&store(&database.url).await, [FIRST + 1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_whose_dictionary_is_lost_or_that_is_damaged_is_made_again() {
    let database = shared_redis().await;
    let writer = store(&database.url).await;
    let mut plain = plain(&database.url).await;
    put(&writer, 1..=FIRST + 2).await;
    let [dictionary] = &dictionaries(&mut plain).await[..] else { panic!("one dictionary") };
    command(&mut plain, &format!("DEL {dictionary}")).await;
    command(&mut plain, "DEL valuesim:{r}:dictionary").await;
    command(&mut plain, "SETRANGE valuesim:{r/0/1/1}:story 20 damaged").await;
    command(&mut plain, "SET valuesim:{r/0/2/1}:story ~").await;
    let reader = store(&database.url).await;
    for row in [1, 2, FIRST + 1] {
        assert_eq!(reader.backstory(&run("r"), cell(row)).await.expect("reads"), None, "row {row}");
        put(&reader, [row]).await;
        check_can_be_read(&reader, [row]).await;
    }
    check_can_be_read(&writer, [1, 2, 3, FIRST + 1, FIRST + 2]).await;
}
