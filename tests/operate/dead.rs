//! Dead letters: shown, replayed, discarded, and none lost when two replay at once or one is killed.

use std::collections::BTreeSet;

use bytes::Bytes;
use valuesim_shared::dead_letter::DeadLetter;
use valuesim_shared::queue::{Delivery as _, Queue as _, QueueKind, RabbitQueue};
use valuesim_shared::task::Task;

use crate::support::{Desk, STORY, name, task, until_waiting};

const OUTCOME: &str = r#"{"version":1,"run":"r1","cell":{"model":0,"respondent":9,"fold":1},"result":{"arms":[]},"spend":{"stages":{},"reported_models":[]}}"#;

fn letter(body: &[u8]) -> Bytes {
    DeadLetter::new(body, "it broke off 5 times".to_owned(), "w1".to_owned()).to_bytes().into()
}

async fn publish(queue: &RabbitQueue, letters: impl IntoIterator<Item = Bytes>) {
    let (dead, mut waiting) = (name(QueueKind::Dead), 0);
    for letter in letters {
        queue.publish(&dead, letter).await.unwrap();
        waiting += 1;
    }
    until_waiting(queue, &dead, waiting).await;
}

/// The cell of each task in the story queue, and the last history that was seen.
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
    let desk = Desk::new().await;
    let (queue, dead) = (desk.queue().await, name(QueueKind::Dead));
    let letters = [
        letter(&task(7, &["w1: boom", "w2: boom"]).to_bytes()),
        task(8, &[]).to_bytes().into(),
        letter(OUTCOME.as_bytes()),
        letter(b"\xff no task"),
    ];
    publish(&queue, letters).await;

    let listed = desk.json(&["dead", "list", "r1"]);
    let kinds: Vec<_> = listed.iter().map(|letter| letter["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["story task", "story task", "outcome", "unreadable"]);
    until_waiting(&queue, &dead, 4).await;
    let shown = desk.run(&["dead", "show", "r1", "0/7/1"]).well().stdout;
    assert!(shown.contains("why       it broke off 5 times") && shown.contains("2. w2: boom"), "{shown}");
    until_waiting(&queue, &dead, 4).await;
    let missing = desk.run(&["dead", "show", "r1", "0/77/1"]).with_code(1);
    assert!(missing.stderr.contains("run r1 has no dead letter of cell 0/77/1"), "{}", missing.stderr);
    until_waiting(&queue, &dead, 4).await;

    let replayed = desk.run(&["dead", "replay", "r1", "--cell", "0/7/1"]).well().stdout;
    assert_eq!(replayed, "replayed 1 letter, 3 stay\n");
    until_waiting(&queue, &name(STORY), 1).await;
    until_waiting(&queue, &dead, 3).await;
    let (found, history) = tasks(&queue, 1).await;
    assert_eq!(found, [7].into());
    let [note] = &history[..] else { panic!("{history:?}") };
    assert!(note.starts_with("replayed by ada@") && note.ends_with("before that: w1: boom; w2: boom"), "{note}");

    let partly = desk.run(&["dead", "replay", "r1", "--all"]).with_code(1);
    assert!(partly.stdout.starts_with("replayed 2 letters, 1 stays\nletter "), "{}", partly.stdout);
    until_waiting(&queue, &name(QueueKind::Results), 1).await;
    until_waiting(&queue, &dead, 1).await;
    let id = listed[3]["letter"].as_str().unwrap();
    desk.run(&["dead", "discard", "r1", "--letter", id]).with_code(2);
    let discarded = desk.run(&["dead", "discard", "r1", "--letter", id, "--yes"]).well().stdout;
    assert_eq!(discarded, "discarded 1 letter\n");
    until_waiting(&queue, &dead, 0).await;
    assert_eq!(desk.run(&["dead", "list", "r1"]).well().stdout, "no dead letters\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn choices_that_match_nothing_are_named_beside_what_was_done() {
    let desk = Desk::new().await;
    let queue = desk.queue().await;
    publish(&queue, [7, 8].map(|respondent| letter(&task(respondent, &[]).to_bytes()))).await;
    let partly = ["dead", "replay", "r1", "--cell", "0/7/1", "--cell", "0/99/1", "--letter", "0badcafe"];
    let partly = desk.run(&partly).with_code(1);
    assert_eq!(partly.stdout, "replayed 1 letter, 1 stays\n");
    let nothing = "no dead letter has one of these cells or ids: 0/99/1, 0badcafe";
    assert!(partly.stderr.contains(nothing), "{}", partly.stderr);
    until_waiting(&queue, &name(STORY), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replays_at_once_and_one_that_is_killed_lose_nothing() {
    const LETTERS: u32 = 300;
    let desk = Desk::new().await;
    let (queue, dead) = (desk.queue().await, name(QueueKind::Dead));
    publish(&queue, (1..=LETTERS).map(|respondent| letter(&task(respondent, &[]).to_bytes()))).await;
    let replay = || desk.start(&["dead", "replay", "r1", "--all"]);
    let (one, other) = (replay(), replay());
    let killed = async || queue.depth(&name(STORY)).await.unwrap().is_some_and(|depth| depth.messages > 0);
    crate::support::until("the first replayed letter", killed).await;
    one.kill();
    // Either may have found nothing left, or letters that the other had: all that counts is that none is lost.
    let _ = (one.end(), other.end());
    let is_done = async || {
        let _ = desk.run(&["dead", "replay", "r1", "--all"]);
        queue.depth(&dead).await.unwrap().is_some_and(|depth| depth.messages == 0)
    };
    crate::support::until("no dead letter left", is_done).await;
    let (found, _) = tasks(&queue, LETTERS).await;
    assert_eq!(found, (1..=LETTERS).collect());
}
