//! Tasks that fail each time: they end among the dead letters with their history, the run ends without them, and goes on
//! when they are replayed after a fix.

use std::process::Command;

use secrecy::SecretString;
use serde_json::Value;
use valuesim_shared::dead_letter::{DeadContent, DeadMessage};
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Delivery as _, Queue as _, QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_simulator::provider::{Latency, ProviderOptions};
use valuesim_test_servers::eventually;

use crate::fleet::{Fleet, LATENCY, PATIENCE};
use crate::member::{Member, command};

/// Of some 4,900 prompts two or three.
const REJECTED: f64 = 0.0006;

/// Attempts before a task is given up.
const ATTEMPTS: usize = 5;

/// Cells of the run.
const CELLS: u64 = 25;

async fn queue(fleet: &Fleet) -> RabbitQueue {
    let settings = RabbitSettings::new(SecretString::from(fleet.ways.broker.clone()), "test");
    RabbitQueue::connect(settings).await.expect("connects")
}

fn lane(run: &RunId, lane: QueueKind) -> QueueName {
    QueueName { run: run.clone(), kind: lane }
}

/// What the run's results say of themselves.
fn results(fleet: &Fleet) -> Value {
    let text = std::fs::read_to_string(fleet.run_folder().join("results.json")).expect("the results are written");
    serde_json::from_str(&text).expect("is JSON")
}

fn operator(fleet: &Fleet, words: &[&str]) -> Command {
    let mut command = command(words[0]);
    command.args(&words[1..]).env("VALUESIM_BROKER", &fleet.ways.broker).env("VALUESIM_STORE", &fleet.ways.store);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_a_provider_does_not_take_are_put_aside_and_replayed_after_a_fix() {
    let options =
        ProviderOptions { bad_request_rate: REJECTED, latency: Latency::Fixed(LATENCY), ..ProviderOptions::default() };
    let fleet = Fleet::with_provider(options).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.release();
    coordinator.ended_well().await;

    let run = fleet.run();
    let said = results(&fleet);
    let dead = said["cells_dead"].as_u64().expect("some are dead");
    assert!((1..CELLS / 2).contains(&dead), "{dead} dead cells");
    assert_eq!(said["cells_finished"].as_u64(), Some(CELLS - dead));
    let report = std::fs::read_to_string(fleet.run_folder().join("report.md")).expect("there is a report");
    assert!(report.contains(&format!("FINISHED WITH {dead} DEAD CELL")), "{report}");
    let queue = queue(&fleet).await;
    let letters = queue.browse(&lane(&run, QueueKind::Dead), 100).await.expect("looks");
    assert_eq!(letters.len() as u64, dead);
    for letter in letters {
        let DeadContent::Task(task) = DeadMessage::read(&letter.body).content else { panic!("no task: {letter:?}") };
        assert_eq!(task.history.len(), ATTEMPTS, "{:?}", task.history);
        assert!(task.history.iter().all(|attempt| attempt.contains("(400)")), "{:?}", task.history);
    }
    let status = operator(&fleet, &["status", &run.0]).stdout(std::process::Stdio::piped()).output().expect("runs");
    let status = String::from_utf8(status.stdout).expect("is text");
    assert!(status.contains(&format!("valuesim dead list {run}")), "{status}");
    let verified = operator(&fleet, &["verify", "--complete"]).arg(fleet.run_folder()).status().expect("runs");
    assert!(verified.success(), "{verified}");

    fleet.provider.accept_rejected_prompts();
    let coordinator = {
        let replayed = operator(&fleet, &["dead", "replay", &run.0, "--all"]);
        Member::spawn(&mut { replayed }).ended_well().await;
        fleet.coordinator()
    };
    coordinator.ended_well().await;
    assert_eq!(results(&fleet)["cells_dead"].as_u64(), None, "nothing is dead any more");
    assert_eq!(queue.depth(&lane(&run, QueueKind::Dead)).await.expect("looks"), None);
    queue.close().await;
    drop(workers);
    // Every rejected call was an extra one, and no other.
    let extra = fleet.compare_with_one_process().await;
    assert!(extra >= dead * ATTEMPTS as u64, "{extra} calls more, {dead} cells were tried {ATTEMPTS} times");
}

/// A worker that takes a task and dies of it looks to the broker like this.
async fn take_and_vanish(fleet: &Fleet, queue_name: &QueueName) {
    let queue = queue(fleet).await;
    let delivery = queue.take(queue_name, 1).await.expect("there is a task");
    std::mem::forget(delivery);
    drop(queue);
}

async fn deliveries_of_first(queue: &RabbitQueue, name: &QueueName) -> Option<u32> {
    let seen = queue.browse(name, 1).await.expect("looks");
    seen.first().map(|message| message.deliveries_before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_workers_all_die_is_put_aside_and_the_others_are_done() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let queue = queue(&fleet).await;
    let known = async || fleet.has_begun().then(|| fleet.run());
    let run = eventually("the run's folder", PATIENCE, known).await.expect("in time");
    let stories = lane(&run, QueueKind::Story(ModelId(0)));
    let all_sent = async || {
        let depth = queue.depth(&stories).await.expect("looks")?;
        (u64::from(depth.messages) == CELLS).then_some(())
    };
    eventually("all story tasks", PATIENCE, all_sent).await.expect("in time");
    let first = queue.take(&stories, 1).await.expect("there is a task");
    let body = first.body().clone();
    first.ack().await.expect("acknowledges");
    let apart = lane(&run, QueueKind::Quarantine(ModelId(0)));
    queue.publish(&apart, body).await.expect("is sent");
    for times in 1..=8 {
        take_and_vanish(&fleet, &apart).await;
        let back = async || deliveries_of_first(&queue, &apart).await.filter(|&before| before >= times);
        eventually("the task is back", PATIENCE, back).await.expect("in time");
    }
    let workers = fleet.workers();
    fleet.release();
    coordinator.ended_well().await;
    assert_eq!(results(&fleet)["cells_dead"].as_u64(), Some(1));
    let letters = queue.browse(&lane(&run, QueueKind::Dead), 10).await.expect("looks");
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    let reason = DeadMessage::read(&letter.body).letter.expect("a worker put it there").reason;
    assert!(reason.contains("each time its worker died"), "{reason}");

    let replayed = operator(&fleet, &["dead", "replay", &run.0, "--all"]);
    Member::spawn(&mut { replayed }).ended_well().await;
    fleet.coordinator().ended_well().await;
    queue.close().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_no_task_is_put_aside_and_stops_nobody() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let queue = queue(&fleet).await;
    let known = async || fleet.has_begun().then(|| fleet.run());
    let run = eventually("the run's folder", PATIENCE, known).await.expect("in time");
    let bad: [&[u8]; 4] = [b"", b"\xff", b"{\"version\":9}", b"{\"version\":1,\"kind\":\"story\"}"];
    for message in bad {
        queue.publish(&lane(&run, QueueKind::Story(ModelId(0))), message.into()).await.expect("is sent");
        queue.publish(&lane(&run, QueueKind::Results), message.into()).await.expect("is sent");
    }
    let workers = fleet.workers();
    fleet.release();
    coordinator.ended_well().await;
    drop(workers);
    let letters = queue.browse(&lane(&run, QueueKind::Dead), 100).await.expect("looks");
    let mut bodies: Vec<Vec<u8>> = letters.iter().map(|letter| DeadMessage::read(&letter.body).body).collect();
    bodies.sort();
    let mut expected: Vec<Vec<u8>> = bad.iter().chain(&bad).map(|message| message.to_vec()).collect();
    expected.sort();
    assert_eq!(bodies, expected);
    queue.close().await;
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
