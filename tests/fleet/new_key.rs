//! A provider's key is replaced while the run goes on: no process is started again.

use std::slice;

use valuesim_simulator::provider::{Latency, ProviderOptions};

use crate::fleet::{Fleet, LATENCY};
use crate::orders::{halt, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_used_after_a_pause_without_a_restart() {
    let with_key = |key: &str| ProviderOptions {
        latency: Latency::Fixed(LATENCY),
        api_key: Some(key.to_owned().into()),
        ..ProviderOptions::default()
    };
    let key = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(key.path(), "the first key\n").expect("writes");
    let mut fleet = Fleet::with_provider(with_key("the first key")).await;
    let keys = tempfile::NamedTempFile::new().expect("a temporary file");
    let list = format!("[key.ours]\nfile = {:?}\nhosts = ['http://{}']\n", key.path(), fleet.provider.address());
    std::fs::write(keys.path(), list).expect("writes");
    let coordinator = fleet.coordinator_with(&["--api-key-name", "ours"]);
    let worker = fleet.worker_with(&["--keys", &keys.path().display().to_string()]);
    fleet.wait_for_answered(500).await;
    halt(&fleet, &["pause", "--reason", "a new key"], slice::from_ref(&worker)).await;
    fleet.resume_replies();
    fleet.wait_until_idle().await;

    fleet.restart_provider(with_key("the second key")).await;
    std::fs::write(key.path(), "the second key\n").expect("writes");
    order(&fleet, &["resume"]).await;
    coordinator.expect_success().await;
    assert_eq!(fleet.provider.stats().errors.get(&401), None, "{}", worker.stderr());
    worker.terminate();
    worker.expect_success().await;
}
