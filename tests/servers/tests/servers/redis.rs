//! Private and shared Redis servers.

use valuesim_test_servers::{RedisServer, shared_redis};

use crate::resp::ask;

const NOTHING: &str = "$-1";

#[tokio::test]
async fn data_survives_a_stop_and_a_kill_but_not_a_flush() {
    let mut redis = RedisServer::start().await.unwrap();
    let url = redis.url();
    assert_eq!(ask(&url, "SET story written").await.unwrap(), "+OK");

    redis.stop().await.unwrap();
    assert!(ask(&url, "GET story").await.is_err(), "a stopped server answered");
    redis.start_again().await.unwrap();
    assert_eq!(ask(&url, "GET story").await.unwrap(), "written");

    redis.kill();
    assert!(ask(&url, "GET story").await.is_err(), "a killed server answered");
    redis.start_again().await.unwrap();
    assert_eq!(ask(&url, "GET story").await.unwrap(), "written");

    redis.flush().unwrap();
    assert_eq!(ask(&url, "GET story").await.unwrap(), NOTHING);
}

#[tokio::test]
async fn each_test_has_its_own_database() {
    let (one, other) = (shared_redis().await, shared_redis().await);
    ask(&one.url, "SET story mine").await.unwrap();
    assert_eq!(ask(&other.url, "GET story").await.unwrap(), NOTHING);
    assert_eq!(ask(&one.url, "GET story").await.unwrap(), "mine");

    let url = one.url.clone();
    drop(one);
    assert_eq!(ask(&url, "GET story").await.unwrap(), NOTHING, "the data survived its test");
}
