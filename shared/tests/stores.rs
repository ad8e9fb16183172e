//! What every store keeps, whatever it is made of: one suite for the embedded store and the server's.

use std::collections::HashMap;
use std::time::Duration;

use valuesim_shared::id::{Cell, Fold, ModelId, QuestionId, Respondent, RunId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellSpend, Ended, StageSpend, UncertainSpend};
use valuesim_shared::stage::Stage;
use valuesim_shared::store::{
    Backstory, CallKey, CellRecord, EmbeddedStore, RecordedReply, RedisStore, ReplyText, SentCall, Store,
};

fn run(name: &str) -> RunId {
    RunId(name.to_owned())
}

fn cell(row: u32) -> Cell {
    let respondent = Respondent::new(row).expect("not 0");
    Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") }
}

fn key(question: u16, asked_before: u8) -> CallKey {
    CallKey { stage: Stage::COGNITIVE, question: QuestionId::new(question), asked_before }
}

fn reply(content: &str) -> RecordedReply {
    let reply = ReplyText::Text { content: content.to_owned(), cut_off: false };
    let spend = StageSpend { sent: 2, answered: 1, failed: 1, ..StageSpend::default() };
    RecordedReply { reply, spend, perhaps_billed: 1, reported_model: "m".to_owned(), remark: None }
}

fn story(text: &str) -> Backstory {
    let spend = StageSpend { sent: 1, answered: 1, cost: NanoUsd(77), ..StageSpend::default() };
    let spend = CellSpend {
        stages: [(Stage::STORY, spend)].into(),
        reported_models: vec!["m".to_owned()],
        ..CellSpend::default()
    };
    Backstory { text: text.to_owned(), ended: Ended::Answered, asked: 1, spend, rejection: None }
}

async fn replies(store: &impl Store, run: &RunId, cell: Cell) -> HashMap<CallKey, RecordedReply> {
    store.cell_record(run, cell).await.expect("reads").replies
}

async fn manifests_belong_to_their_run(store: impl Store) {
    let (one, other) = (run("one"), run("other"));
    assert_eq!(store.manifest(&one).await.expect("reads"), None);
    store.put_manifest(&one, b"{\"one\":1}").await.expect("writes");
    store.put_manifest(&one, b"{\"one\":2}").await.expect("writes");
    assert_eq!(store.manifest(&one).await.expect("reads"), Some(b"{\"one\":2}".to_vec()));
    assert_eq!(store.manifest(&other).await.expect("reads"), None);
}

async fn backstories_come_back_to_the_letter(store: impl Store) {
    let r = run("r");
    let texts = ["", "You live.", "Ü\u{1f600}\u{0}\"\\\n", &"a long life, ".repeat(5_000)];
    for (row, text) in (1..).zip(texts) {
        assert_eq!(store.backstory(&r, cell(row)).await.expect("reads"), None);
        store.put_backstory(&r, cell(row), &story(text)).await.expect("writes");
    }
    for (row, text) in (1..).zip(texts) {
        assert_eq!(store.backstory(&r, cell(row)).await.expect("reads"), Some(story(text)));
    }
}

async fn the_first_of_two_backstories_stands(store: impl Store) {
    let r = run("r");
    store.put_backstory(&r, cell(1), &story("You live.")).await.expect("writes");
    store.put_backstory(&r, cell(1), &story("You live again.")).await.expect("writes");
    assert_eq!(store.backstory(&r, cell(1)).await.expect("reads"), Some(story("You live.")));
    store.forget(&r, cell(1)).await.expect("writes");
    store.put_backstory(&r, cell(1), &story("You live again.")).await.expect("writes");
    assert_eq!(store.backstory(&r, cell(1)).await.expect("reads"), Some(story("You live again.")));
}

async fn all_who_write_a_backstory_at_once_read_the_same(store: impl Store) {
    let r = run("r");
    let writers = (0..20).map(|number| {
        let (store, r) = (store.clone(), r.clone());
        tokio::spawn(async move {
            store.put_backstory(&r, cell(1), &story(&format!("Life {number}."))).await.expect("writes");
            store.backstory(&r, cell(1)).await.expect("reads").expect("there is one")
        })
    });
    let mut read = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        read.push(writer.await.expect("does not panic"));
    }
    assert!(read.iter().all(|story| *story == read[0]), "{read:?}");
}

async fn the_first_of_two_replies_stands(store: impl Store) {
    let r = run("r");
    store.record_reply(&r, cell(1), key(7, 0), &reply("one")).expect("writes");
    store.record_reply(&r, cell(1), key(7, 0), &reply("other")).expect("writes");
    store.settle().await.expect("writes");
    assert_eq!(replies(&store, &r, cell(1)).await, [(key(7, 0), reply("one"))].into());
}

async fn replies_belong_to_their_call_cell_and_run(store: impl Store) {
    let (one, other) = (run("one"), run("other"));
    store.record_reply(&one, cell(1), key(7, 0), &reply("one")).expect("writes");
    store.record_reply(&one, cell(1), key(7, 1), &reply("reminded")).expect("writes");
    store.record_reply(&one, cell(2), key(7, 0), &reply("two")).expect("writes");
    store.record_reply(&other, cell(1), key(7, 0), &reply("other")).expect("writes");
    let refused = RecordedReply { reply: ReplyText::Refused, ..reply("") };
    let story = CallKey { stage: Stage::STORY, question: None, asked_before: 0 };
    store.record_reply(&one, cell(4), story, &refused).expect("writes");
    store.settle().await.expect("writes");
    let expected = [(key(7, 0), reply("one")), (key(7, 1), reply("reminded"))];
    assert_eq!(replies(&store, &one, cell(1)).await, expected.into());
    assert_eq!(replies(&store, &one, cell(4)).await, [(story, refused)].into());
    assert_eq!(store.cell_record(&one, cell(3)).await.expect("reads"), CellRecord::default());
}

async fn requests_are_counted_by_call(store: impl Store) {
    let r = run("r");
    let each = UncertainSpend { likely_cost: NanoUsd(5), at_most_cost: NanoUsd(9), ..UncertainSpend::default() };
    for _ in 0..3 {
        store.note_sent(&r, cell(1), key(7, 0), &each).await.expect("writes");
    }
    store.note_failed(&r, cell(1), key(7, 0), true).await.expect("writes");
    store.note_failed(&r, cell(1), key(7, 0), false).await.expect("writes");
    store.note_sent(&r, cell(1), key(8, 0), &each).await.expect("writes");
    store.note_sent(&r, cell(2), key(7, 0), &each).await.expect("writes");
    let sent = store.cell_record(&r, cell(1)).await.expect("reads").sent;
    let first = SentCall { times: 3, each, failed: 2, perhaps_billed: 1 };
    let second = SentCall { times: 1, each, failed: 0, perhaps_billed: 0 };
    assert_eq!(sent, [(key(7, 0), first), (key(8, 0), second)].into());
}

async fn forgetting_a_cell_leaves_its_neighbours(store: impl Store) {
    let r = run("r");
    for row in [1, 2] {
        store.put_backstory(&r, cell(row), &story("You live.")).await.expect("writes");
        store.note_sent(&r, cell(row), key(7, 0), &UncertainSpend::default()).await.expect("writes");
        store.record_reply(&r, cell(row), key(7, 0), &reply("one")).expect("writes");
    }
    store.settle().await.expect("writes");
    store.forget(&r, cell(1)).await.expect("writes");
    store.forget(&r, cell(3)).await.expect("forgets what was never there");
    assert_eq!(store.backstory(&r, cell(1)).await.expect("reads"), None);
    assert_eq!(store.cell_record(&r, cell(1)).await.expect("reads"), CellRecord::default());
    assert!(store.backstory(&r, cell(2)).await.expect("reads").is_some());
    let left = store.cell_record(&r, cell(2)).await.expect("reads");
    assert_eq!((left.replies.len(), left.sent.len()), (1, 1));
}

async fn many_write_at_once_and_nothing_is_lost(store: impl Store) {
    let r = run("r");
    let writers = (1..=40).map(|row| {
        let (store, r) = (store.clone(), r.clone());
        tokio::spawn(async move {
            for question in 1..=20 {
                store.note_sent(&r, cell(row), key(question, 0), &UncertainSpend::default()).await.expect("writes");
                let said = reply(&format!("{row} {question}"));
                store.record_reply(&r, cell(row), key(question, 0), &said).expect("writes");
            }
            store.settle().await.expect("writes");
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("does not panic");
    }
    for row in 1..=40 {
        let record = store.cell_record(&r, cell(row)).await.expect("reads");
        let expected = (1..=20).map(|question| (key(question, 0), reply(&format!("{row} {question}"))));
        assert_eq!(record.replies, expected.collect());
        assert!(record.sent.len() == 20 && record.sent.values().all(|sent| sent.times == 1));
    }
}

/// The suite for one kind of store; `$open` gives an empty one and what must live as long as it.
macro_rules! suite {
    ($name:ident, $open:expr) => {
        mod $name {
            suite!(@tests $open; manifests_belong_to_their_run backstories_come_back_to_the_letter
                the_first_of_two_backstories_stands all_who_write_a_backstory_at_once_read_the_same
                replies_belong_to_their_call_cell_and_run the_first_of_two_replies_stands requests_are_counted_by_call
                forgetting_a_cell_leaves_its_neighbours many_write_at_once_and_nothing_is_lost);
        }
    };
    (@tests $open:expr; $($test:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let (_alive, store) = $open.await;
            super::$test(store).await;
        })*
    };
}

fn open_embedded() -> (tempfile::TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = EmbeddedStore::open(folder.path()).expect("opens");
    (folder, store)
}

async fn open_redis() -> (valuesim_test_servers::Database, RedisStore) {
    let database = valuesim_test_servers::shared_redis().await;
    let address = database.url.parse().expect("is an address");
    let store = RedisStore::connect(&address, Duration::from_mins(2)).await.expect("connects");
    (database, store)
}

suite!(embedded, std::future::ready(super::open_embedded()));
suite!(redis, super::open_redis());
