//! `valuesim health`: what it says and how it exits, for each state of the process that it asks.

use std::net::TcpListener;
use std::process::Command;

use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::{RedisServer, shared_broker};

use crate::process::{Fleet, probe};

/// Exit code and output of `valuesim health`.
fn health(arguments: &[&str]) -> (Option<i32>, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_valuesim")).arg("health").args(arguments).env_clear().output();
    let ended = command.expect("the command starts");
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8(said).expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_ready_while_its_servers_are_there_and_alive_all_the_time() {
    let (broker, store) = tokio::join!(shared_broker(), RedisServer::start());
    let mut store = store.expect("starts");
    let fleet = Fleet::new(&broker.url, &store.url(), ProviderOptions::default()).await;
    let worker = fleet.worker();
    let address = worker.address().await;
    probe(&address, "/readyz", 200).await;
    assert_eq!(health(&["--http", &address]), (Some(0), "ready\n".to_owned()));
    store.stop().await.expect("stops");
    probe(&address, "/readyz", 503).await;
    let (code, said) = health(&["--http", &address]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not ready: ") && said.contains("store: unreachable"), "{said}");
    assert_eq!(health(&["--live", "--http", &address]), (Some(0), "alive\n".to_owned()));
}

#[test]
fn nobody_who_answers_is_not_the_same_as_not_ready() {
    // Bound and never accepted: the connection is made, and nothing comes back.
    let silent = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = silent.local_addr().expect("has an address").to_string();
    let (code, said) = health(&["--http", &address]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no answer within 3 s"), "{said}");
    drop(silent);
    let (code, said) = health(&["--http", &address]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&format!("probe http://{address}/readyz: connect; check that the process runs")), "{said}");
    for (arguments, says) in [(&[][..], "Say --http ADDRESS"), (&["--http", "127.0.0.1:0"], "expected the port")] {
        let (code, said) = health(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
