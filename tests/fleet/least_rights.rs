//! A fleet whose users have the rights that the documents name and no others, on a broker that takes short messages only and lets
//! them expire.

use std::process::Stdio;

use valuesim_test_servers::{Broker, RedisServer, Turn, eventually};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, ServerUrls, TIMEOUT, WORKERS};
use crate::process::command;

const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// A password that must be escaped in an address, and how that is done.
const PASSWORD: &str = "a/b#c@d";
const ESCAPED: &str = "a%2Fb%23c%40d";

/// The longest message, in bytes: longer than a task, and shorter than a cell's outcome with its transcript.
const SETTINGS: &str = "max_message_size = 8192";

/// How long messages wait before they expire, in milliseconds.
const TTL: u32 = 1_500;

/// The words behind `beginning` in the documents, without quotes.
fn documented(beginning: &str) -> Vec<String> {
    let line = OPERATIONS.lines().find_map(|line| line.strip_prefix(beginning)).expect("it is documented");
    line.split_whitespace().map(|word| word.trim_matches('\'').replace("PASSWORD", PASSWORD)).collect()
}

async fn servers() -> (Broker, RedisServer, ServerUrls) {
    let acl = documented("ACL SETUSER ");
    let acl: Vec<&str> = std::iter::once("--user").chain(acl.iter().map(String::as_str)).collect();
    let (broker, store) = tokio::join!(Broker::start_with_settings(SETTINGS), RedisServer::start_with_settings(&acl));
    let (broker, store) = (broker.expect("starts"), store.expect("starts"));
    let vhost_url = broker.new_vhost().await.expect("is made");
    let (_, vhost) = vhost_url.rsplit_once('/').expect("a virtual host");
    let permissions = documented("rabbitmqctl set_permissions -p valuesim valuesim ");
    let [configure, write, read] = &permissions[..] else { panic!("{permissions:?}") };
    broker.put_user(vhost, ("valuesim", PASSWORD), [configure, write, read]).await.expect("is made");
    broker.put_message_ttl(vhost, ".*", TTL).await.expect("is set");
    let user = format!("valuesim:{ESCAPED}@");
    let broker_url = vhost_url.replace("guest:guest@", &user);
    let store_url = store.url().replace("redis://", &format!("redis://{user}"));
    (broker, store, ServerUrls { broker: broker_url, store: store_url })
}

/// What a command says to an operator, who has the same users.
fn said(urls: &ServerUrls, arguments: &[&str]) -> String {
    let mut command = command(arguments[0]);
    command.args(&arguments[1..]).env("VALUESIM_BROKER", &urls.broker).env("VALUESIM_STORE", &urls.store);
    let output = command.stdout(Stdio::piped()).output().expect("the command starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_with_the_least_rights_on_a_broker_whose_messages_are_short_and_expire() {
    let turn = Turn::take().await;
    let (broker, _store, urls) = servers().await;
    let mut fleet = Fleet::on(turn, urls.clone(), LATENCY).await;
    (fleet.users, fleet.flags) = (2, &["--transcripts"]);
    let coordinator = fleet.coordinator();
    coordinator.wait_for("RabbitMQ lets messages expire").await;
    let run = fleet.run().0;
    let is_shown = async || said(&urls, &["status", &run]).contains("which were sent again: exempt").then_some(());
    eventually("what expired, in the status", TIMEOUT, is_shown).await.expect("in time");
    for arguments in [&["runs"][..], &["pause", &run], &["resume", &run], &["dead", "list", &run]] {
        said(&urls, arguments);
    }

    let workers = fleet.workers();
    fleet.resume_replies();
    coordinator.expect_success().await;
    assert!(workers.iter().any(|worker| worker.stderr().contains("takes smaller messages")));
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls");
    said(&urls, &["purge", &run, "--yes", "--force"]);

    broker.rabbitmqctl(&["eval", "application:set_env(rabbit, max_message_size, 300)."]).await.expect("is set");
    let coordinator = fleet.coordinator_of(3);
    coordinator.wait_for("the broker takes at most 300").await;
    coordinator.expect_code(1).await;
    let status = said(&urls, &["status"]);
    assert!(status.contains("its coordinator ended") && status.contains("the broker takes at most 300"), "{status}");
}
