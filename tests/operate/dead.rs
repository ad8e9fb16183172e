//! Dead letters are shown, replayed and discarded, and none is lost when two operators replay at once or one is killed.

use std::collections::BTreeSet;

use bytes::Bytes;
use valuesim_shared::dead_letter::DeadLetter;
use valuesim_shared::queue::{Delivery as _, Queue as _, QueueKind, RabbitQueue};
use valuesim_shared::task::Task;

use crate::support::{Operator, STORY, name, task, until, until_waiting};

const OUTCOME: &str = r#"{"version":1,"run":"r1","cell":{"model":0,"respondent":9,"fold":1},"result":{"arms":[]},"spend":{"stages":{},"reported_models":[]}}"#;

pub(crate) fn letter(body: &[u8]) -> Bytes {
    DeadLetter::new(body, "it broke off 5 times".to_owned(), "w1".to_owned()).to_bytes().into()
}

pub(crate) async fn publish(queue: &RabbitQueue, letters: impl IntoIterator<Item = Bytes>) {
    let (dead, mut waiting) = (name(QueueKind::Dead), 0);
    for letter in letters {
        queue.publish(&dead, letter).await.unwrap();
        waiting += 1;
    }
    until_waiting(queue, &dead, waiting).await;
}

/// Takes all tasks from the story queue. Returns their respondents, and the history of the last one.
async fn tasks(queue: &RabbitQueue, expected: u32) -> (BTreeSet<u32>, Vec<String>) {
    let story = name(STORY);
    let depth = queue.depth(&story).await.unwrap().map_or(0, |depth| depth.messages);
    assert!(depth >= expected, "{depth} tasks, expected at least {expected}");
    let (mut found, mut history) = (BTreeSet::new(), Vec::new());
    for _ in 0..depth {
        let delivery = queue.take(&story, depth as usize).await.unwrap();
        let task = Task::from_bytes(delivery.body()).unwrap();
        found.insert(task.cell.respondent.row());
        history = task.history;
        delivery.ack().await.unwrap();
    }
    (found, history)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_listed_shown_replayed_and_discarded() {
    let operator = Operator::new().await;
    let (queue, dead) = (operator.queue().await, name(QueueKind::Dead));
    let letters = [
        letter(&task(7, &["w1: boom", "w2: boom"]).to_bytes()),
        task(8, &[]).to_bytes().into(),
        letter(OUTCOME.as_bytes()),
        letter(b"\xff not a task"),
    ];
    publish(&queue, letters).await;

    let listed = operator.json(&["dead", "list", "r1"]);
    let kinds: Vec<_> = listed.iter().map(|letter| letter["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["story task", "story task", "outcome", "unreadable"]);
    until_waiting(&queue, &dead, 4).await;
    let shown = operator.run(&["dead", "show", "r1", "0/7/1"]).expect_success().stdout;
    assert!(shown.contains("why       it broke off 5 times") && shown.contains("2. w2: boom"), "{shown}");
    until_waiting(&queue, &dead, 4).await;
    let missing = operator.run(&["dead", "show", "r1", "0/77/1"]).expect_code(1);
    assert!(missing.stderr.contains("run r1 has no dead letter of cell 0/77/1"), "{}", missing.stderr);
    until_waiting(&queue, &dead, 4).await;

    let replayed = operator.run(&["dead", "replay", "r1", "--cell", "0/7/1"]).expect_success().stdout;
    assert_eq!(replayed, "replayed 1 letter, 3 stay\n");
    until_waiting(&queue, &name(STORY), 1).await;
    until_waiting(&queue, &dead, 3).await;
    let (found, history) = tasks(&queue, 1).await;
    assert_eq!(found, [7].into());
    let [note] = &history[..] else { panic!("{history:?}") };
    assert!(note.starts_with("replayed by ada@") && note.ends_with("before that: w1: boom; w2: boom"), "{note}");

    let partly = operator.run(&["dead", "replay", "r1", "--all"]).expect_code(1);
    assert!(partly.stdout.starts_with("replayed 2 letters, 1 stays\nletter "), "{}", partly.stdout);
    until_waiting(&queue, &name(QueueKind::Results), 1).await;
    until_waiting(&queue, &dead, 1).await;
    let id = listed[3]["letter"].as_str().unwrap();
    operator.run(&["dead", "discard", "r1", "--letter", id]).expect_code(2);
    let discarded = operator.run(&["dead", "discard", "r1", "--letter", id, "--yes"]).expect_success().stdout;
    assert_eq!(discarded, "discarded 1 letter\n");
    until_waiting(&queue, &dead, 0).await;
    assert_eq!(operator.run(&["dead", "list", "r1"]).expect_success().stdout, "no dead letters\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn choices_that_match_nothing_are_reported_beside_what_was_done() {
    let operator = Operator::new().await;
    let queue = operator.queue().await;
    publish(&queue, [7, 8].map(|respondent| letter(&task(respondent, &[]).to_bytes()))).await;
    let partly = ["dead", "replay", "r1", "--cell", "0/7/1", "--cell", "0/99/1", "--letter", "0badcafe"];
    let partly = operator.run(&partly).expect_code(1);
    assert_eq!(partly.stdout, "replayed 1 letter, 1 stays\n");
    let nothing = "no dead letter has one of these cells or ids: 0/99/1, 0badcafe";
    assert!(partly.stderr.contains(nothing), "{}", partly.stderr);
    until_waiting(&queue, &name(STORY), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_replays_lose_nothing_even_if_one_is_killed() {
    const LETTERS: u32 = 300;
    let operator = Operator::new().await;
    let (queue, dead) = (operator.queue().await, name(QueueKind::Dead));
    publish(&queue, (1..=LETTERS).map(|respondent| letter(&task(respondent, &[]).to_bytes()))).await;
    let replay = || operator.start(&["dead", "replay", "r1", "--all"]);
    let (one, other) = (replay(), replay());
    let has_begun = async || queue.depth(&name(STORY)).await.unwrap().is_some_and(|depth| depth.messages > 0);
    until("the first replayed letter", has_begun).await;
    one.kill();
    // Either may have found letters missing, because the other had taken them. Only lost letters would be wrong.
    let _ = (one.wait(), other.wait());
    let is_done = async || {
        let _ = operator.run(&["dead", "replay", "r1", "--all"]);
        queue.depth(&dead).await.unwrap().is_some_and(|depth| depth.messages == 0)
    };
    until("no dead letter left", is_done).await;
    let (found, _) = tasks(&queue, LETTERS).await;
    assert_eq!(found, (1..=LETTERS).collect());
}
