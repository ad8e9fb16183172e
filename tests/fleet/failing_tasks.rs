//! Tasks and messages that nobody can do become dead letters. The run ends without them, and continues when they are replayed.
//! Prompts that a provider rejects are no such tasks.

use std::process::Command;

use secrecy::SecretString;
use serde_json::Value;
use valuesim_shared::dead_letter::DeadMessage;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Delivery as _, Queue as _, QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_simulator::provider::{Latency, ProviderOptions};
use valuesim_test_servers::eventually;

use crate::fleet::{Fleet, LATENCY, TIMEOUT};
use crate::process::{FleetProcess, command};

/// The rate at which the provider rejects prompts: two or three of about 4,900.
const REJECTED: f64 = 0.0006;

/// Cells of the run.
const CELLS: u64 = 25;

async fn queue(fleet: &Fleet) -> RabbitQueue {
    let settings = RabbitSettings::new(SecretString::from(fleet.urls.broker.clone()), "test");
    RabbitQueue::connect(settings).await.expect("connects")
}

fn queue_name(run: &RunId, kind: QueueKind) -> QueueName {
    QueueName { run: run.clone(), kind }
}

/// The run's `results.json`.
fn results(fleet: &Fleet) -> Value {
    let text = std::fs::read_to_string(fleet.run_folder().join("results.json")).expect("the results are written");
    serde_json::from_str(&text).expect("is JSON")
}

/// An operator's command on the fleet's servers.
fn operator(fleet: &Fleet, arguments: &[&str]) -> Command {
    let mut command = command(arguments[0]);
    command.args(&arguments[1..]).env("VALUESIM_BROKER", &fleet.urls.broker).env("VALUESIM_STORE", &fleet.urls.store);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_that_a_provider_rejects_end_so_and_cost_no_cell() {
    let options =
        ProviderOptions { bad_request_rate: REJECTED, latency: Latency::Fixed(LATENCY), ..ProviderOptions::default() };
    let fleet = Fleet::with_provider(options).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.resume_replies();
    coordinator.expect_success().await;

    let run = fleet.run();
    let results = results(&fleet);
    assert_eq!((results["cells_dead"].as_u64(), results["cells_finished"].as_u64()), (None, Some(CELLS)));
    let report = std::fs::read_to_string(fleet.run_folder().join("report.md")).expect("there is a report");
    assert!(report.contains("| rejected |") && !report.contains("DEAD"), "{report}");
    let queue = queue(&fleet).await;
    assert_eq!(queue.depth(&queue_name(&run, QueueKind::Dead)).await.expect("looks"), None);
    queue.close().await;
    drop(workers);
    // The very same prompts are rejected, and the same is kept of them.
    fleet.compare_with_one_process().await;
}

/// Takes a task and disconnects, as a worker does that dies of it.
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
async fn a_task_that_kills_its_workers_is_set_aside_and_the_others_are_done() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let queue = queue(&fleet).await;
    let run = fleet.wait_for_run().await;
    let stories = queue_name(&run, QueueKind::Story(ModelId(0)));
    let all_sent = async || {
        let depth = queue.depth(&stories).await.expect("looks")?;
        (u64::from(depth.messages) == CELLS).then_some(())
    };
    eventually("all story tasks", TIMEOUT, all_sent).await.expect("in time");
    let first = queue.take(&stories, 1).await.expect("there is a task");
    let body = first.body().clone();
    first.ack().await.expect("acknowledges");
    let quarantine = queue_name(&run, QueueKind::Quarantine(ModelId(0)));
    queue.publish(&quarantine, body).await.expect("is sent");
    for times in 1..=8 {
        take_and_vanish(&fleet, &quarantine).await;
        let back = async || deliveries_of_first(&queue, &quarantine).await.filter(|&before| before >= times);
        eventually("the task is back", TIMEOUT, back).await.expect("in time");
    }
    let workers = fleet.workers();
    fleet.resume_replies();
    coordinator.expect_success().await;
    assert_eq!(results(&fleet)["cells_dead"].as_u64(), Some(1));
    let letters = queue.browse(&queue_name(&run, QueueKind::Dead), 10).await.expect("looks");
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    let reason = DeadMessage::read(&letter.body).letter.expect("a worker put it there").reason;
    assert!(reason.contains("each time its worker died"), "{reason}");

    let replayed = operator(&fleet, &["dead", "replay", &run.0, "--all"]);
    FleetProcess::spawn(&mut { replayed }).expect_success().await;
    fleet.coordinator().expect_success().await;
    queue.close().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_outcomes_change_nothing_and_the_genuine_ones_count() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let queue = queue(&fleet).await;
    let run = fleet.wait_for_run().await;
    let results = queue_name(&run, QueueKind::Results);
    // Respondents of the survey, of whom the run asks some.
    let mut forged = 0;
    for respondent in 1..=fleet.synthetic {
        let arm = r#"{"method":"valuesim","answers":[9999],"ended":"a","decided":"u","asked":[3]}"#;
        let outcome = format!(
            r#"{{"version":1,"run":"{run}","cell":{{"model":0,"respondent":{respondent},"fold":1}},"result":{{"arms":[{arm}]}},"spend":{{"stages":{{}},"reported_models":[]}}}}"#
        );
        queue.publish(&results, outcome.into_bytes().into()).await.expect("is sent");
        forged += 1;
    }
    let workers = fleet.workers();
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    let letters = queue.browse(&queue_name(&run, QueueKind::Dead), 100).await.expect("looks");
    assert_eq!(letters.len(), forged);
    let reasons = letters.iter().map(|letter| DeadMessage::read(&letter.body).letter.expect("a letter").reason);
    let (of_plan, strangers): (Vec<_>, Vec<_>) = reasons.partition(|reason| reason.contains("does not fit the plan"));
    assert_eq!(of_plan.len(), fleet.users as usize, "{of_plan:?}");
    assert!(strangers.iter().all(|reason| reason.contains("is not planned in run")), "{strangers:?}");
    queue.close().await;
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_not_a_task_is_set_aside_and_stops_nobody() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let queue = queue(&fleet).await;
    let run = fleet.wait_for_run().await;
    let (zeros, long) = (vec![0; 3 << 20], vec![b'['; 15 << 20]);
    let bad: [&[u8]; 6] = [b"", b"\xff", b"{\"version\":9}", b"{\"version\":1,\"kind\":\"story\"}", &zeros, &long];
    for message in bad {
        queue.publish(&queue_name(&run, QueueKind::Story(ModelId(0))), message.to_vec().into()).await.expect("is sent");
        queue.publish(&queue_name(&run, QueueKind::Results), message.to_vec().into()).await.expect("is sent");
    }
    let workers = fleet.workers();
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    let letters = queue.browse(&queue_name(&run, QueueKind::Dead), 100).await.expect("looks");
    let mut bodies: Vec<Vec<u8>> = letters.iter().map(|letter| DeadMessage::read(&letter.body).body).collect();
    bodies.sort();
    let mut expected: Vec<Vec<u8>> =
        bad.iter().chain(&bad).map(|message| message[..message.len().min(1 << 10)].to_vec()).collect();
    expected.sort();
    assert_eq!(bodies, expected);
    queue.close().await;
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
