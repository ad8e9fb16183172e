//! What the log keeps when it is opened again, cut, and cleaned.

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::id::{Fold, ModelId, QuestionId, Respondent};
use crate::outcome::{CellSpend, Ended, StageSpend};
use crate::stage::Stage;
use crate::store::{ReplyText, SentCall};

fn run() -> RunId {
    RunId("r1".to_owned())
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
    let spend = StageSpend { sent: 1, answered: 1, ..StageSpend::default() };
    RecordedReply { reply, spend, perhaps_billed: 0, reported_model: "m".to_owned(), remark: None }
}

fn story(text: &str) -> Backstory {
    Backstory { text: text.to_owned(), ended: Ended::Answered, asked: 1, spend: CellSpend::default(), rejection: None }
}

fn open() -> (tempfile::TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = EmbeddedStore::open(folder.path()).expect("opens");
    (folder, store)
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("reads").map(|file| file.expect("reads").path());
    let mut logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    logs.sort();
    logs
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let (folder, _store) = open();
    let second = EmbeddedStore::open(folder.path());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
}

#[tokio::test]
async fn what_is_written_is_there_after_the_store_was_opened_again() {
    let (folder, store) = open();
    store.put_manifest(&run(), b"{}").await.expect("writes");
    store.put_backstory(&run(), cell(1), &story("You live.")).await.expect("writes");
    store.record_reply(&run(), cell(1), key(7, 0), &reply("Answer: 1")).expect("writes");
    drop(store);
    let store = EmbeddedStore::open(folder.path()).expect("opens again");
    assert_eq!(store.manifest(&run()).await.expect("reads"), Some(b"{}".to_vec()));
    assert_eq!(store.backstory(&run(), cell(1)).await.expect("reads"), Some(story("You live.")));
    let record = store.cell_record(&run(), cell(1)).await.expect("reads");
    assert_eq!(record.replies, [(key(7, 0), reply("Answer: 1"))].into());
}

#[tokio::test]
async fn a_note_survives_a_process_that_is_killed() {
    let (folder, store) = open();
    store.note_sent(&run(), cell(1), key(7, 0), &UncertainSpend::default()).await.expect("writes");
    // A copy of the files is what the next process finds; nothing was closed.
    let copy = tempfile::tempdir().expect("temporary folder");
    for log in segments(folder.path()) {
        std::fs::copy(&log, copy.path().join(log.file_name().expect("a name"))).expect("copies");
    }
    let found = EmbeddedStore::open(copy.path()).expect("opens");
    assert_eq!(found.cell_record(&run(), cell(1)).await.expect("reads").sent[&key(7, 0)].times, 1);
}

#[tokio::test]
async fn notes_that_share_a_write_are_all_in_the_files() {
    let (folder, store) = open();
    let noted = (0..100).map(|number| {
        let store = store.clone();
        async move { store.note_sent(&run(), cell(1), key(number, 0), &UncertainSpend::default()).await }
    });
    for noted in join_all(noted).await {
        noted.expect("writes");
    }
    let bytes: u64 = segments(folder.path()).iter().map(|log| log.metadata().expect("is there").len()).sum();
    drop(store);
    let found = EmbeddedStore::open(folder.path()).expect("opens");
    assert_eq!(found.cell_record(&run(), cell(1)).await.expect("reads").sent.len(), 100);
    let after: u64 = segments(folder.path()).iter().map(|log| log.metadata().expect("is there").len()).sum();
    assert_eq!(bytes, after, "nothing waited in memory for the store to close");
}

#[tokio::test]
async fn calls_that_an_earlier_release_wrote_are_kept_beside_new_ones() {
    let (folder, store) = open();
    let former = async |kind, bytes: &[u8]| {
        let (run, body) = (run(), Body::Call(Call::Former(kind, bytes)));
        store.note(Entry { run: &run.0, cell: cell(1), body }).await.expect("writes");
    };
    let call = [1, 7, 0, 0];
    former(2, &[&call[..], &[0; 64]].concat()).await;
    former(3, &[&call[..], &[1]].concat()).await;
    former(4, &[&call[..], &[0, 1, 1], &[0; 15], &[0, 1], b"mAnswer: 1"].concat()).await;
    store.note_sent(&run(), cell(1), key(7, 0), &UncertainSpend::default()).await.expect("writes");
    store.record_reply(&run(), cell(1), key(7, 0), &reply("Answer: 2")).expect("writes");
    drop(store);
    let store = EmbeddedStore::open(folder.path()).expect("opens again");
    let record = store.cell_record(&run(), cell(1)).await.expect("reads");
    let sent = SentCall { times: 2, failed: 1, perhaps_billed: 1, ..SentCall::default() };
    assert_eq!(record.sent, [(key(7, 0), sent)].into());
    assert_eq!(record.replies, [(key(7, 0), reply("Answer: 1"))].into());
}

#[tokio::test]
async fn segments_that_no_cell_needs_are_removed_and_a_cell_that_stays_is_kept() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = EmbeddedStore::open_with(folder.path(), 64 << 10).expect("opens");
    store.put_backstory(&run(), cell(1), &story("It stays.")).await.expect("writes");
    store.note_sent(&run(), cell(1), key(7, 0), &UncertainSpend::default()).await.expect("writes");
    let long = story(&"x".repeat(8 << 10));
    for row in 2..60 {
        store.put_backstory(&run(), cell(row), &long).await.expect("writes");
        store.forget(&run(), cell(row)).await.expect("writes");
    }
    let left = segments(folder.path()).len();
    assert!(left <= 4, "{left} segments for one cell");
    drop(store);
    let store = EmbeddedStore::open(folder.path()).expect("opens again");
    assert_eq!(store.backstory(&run(), cell(1)).await.expect("reads"), Some(story("It stays.")));
    assert_eq!(store.cell_record(&run(), cell(1)).await.expect("reads").sent[&key(7, 0)].times, 1);
    assert_eq!(store.backstory(&run(), cell(59)).await.expect("reads"), None);
}

/// One write, as the property test draws it.
#[derive(Debug, Clone)]
enum Write {
    Story(u32, String),
    Sent(u32, u16),
    Failed(u32, u16, bool),
    Reply(u32, u16, String),
    Forget(u32),
}

fn any_write() -> impl Strategy<Value = Write> {
    let (row, question) = (1_u32..4, 1_u16..4);
    prop_oneof![
        (row.clone(), ".{0,20}").prop_map(|(row, text)| Write::Story(row, text)),
        (row.clone(), question.clone()).prop_map(|(row, question)| Write::Sent(row, question)),
        (row.clone(), question.clone(), any::<bool>()).prop_map(|(row, of, billed)| Write::Failed(row, of, billed)),
        (row.clone(), question, ".{0,20}").prop_map(|(row, question, text)| Write::Reply(row, question, text)),
        row.prop_map(Write::Forget),
    ]
}

async fn write(store: &EmbeddedStore, write: &Write) {
    let run = run();
    let written = match write {
        Write::Story(row, text) => store.put_backstory(&run, cell(*row), &story(text)).await,
        Write::Sent(row, of) => store.note_sent(&run, cell(*row), key(*of, 0), &UncertainSpend::default()).await,
        Write::Failed(row, of, billed) => store.note_failed(&run, cell(*row), key(*of, 0), *billed).await,
        Write::Reply(row, of, text) => store.record_reply(&run, cell(*row), key(*of, 0), &reply(text)),
        Write::Forget(row) => store.forget(&run, cell(*row)).await,
    };
    written.expect("writes");
}

/// What a store holds of the three cells.
async fn contents(store: &EmbeddedStore) -> Vec<(Option<Backstory>, CellRecord)> {
    let mut all = Vec::new();
    for row in 1..4 {
        let backstory = store.backstory(&run(), cell(row)).await.expect("reads");
        all.push((backstory, store.cell_record(&run(), cell(row)).await.expect("reads")));
    }
    all
}

/// The same, by plain maps.
fn expected(writes: &[Write]) -> Vec<(Option<Backstory>, CellRecord)> {
    let mut all = vec![(None, CellRecord::default()); 3];
    for write in writes {
        let (Write::Story(row, _)
        | Write::Sent(row, _)
        | Write::Failed(row, ..)
        | Write::Reply(row, ..)
        | Write::Forget(row)) = write;
        let (backstory, record) = &mut all[*row as usize - 1];
        match write {
            Write::Story(_, text) => _ = backstory.get_or_insert_with(|| story(text)),
            Write::Sent(_, of) => record.sent.entry(key(*of, 0)).or_insert_with(SentCall::default).times += 1,
            Write::Failed(_, of, billed) => {
                let sent = record.sent.entry(key(*of, 0)).or_default();
                sent.failed += 1;
                sent.perhaps_billed += u64::from(*billed);
            }
            Write::Reply(_, of, text) => {
                record.replies.entry(key(*of, 0)).or_insert_with(|| reply(text));
            }
            Write::Forget(_) => (*backstory, *record) = (None, CellRecord::default()),
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// A log that was cut anywhere holds the writes before the cut; one whose cells were written anew holds the same.
    #[test]
    fn a_log_that_was_cut_holds_what_came_before(writes in prop::collection::vec(any_write(), 0..12), cut in 0_u64..=1000) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
        runtime.block_on(async {
            let (folder, store) = open();
            let log = segments(folder.path()).remove(0);
            let mut ends = Vec::new();
            for next in &writes {
                write(&store, next).await;
                store.shared.core.state().log.flush().expect("writes");
                ends.push(std::fs::metadata(&log).expect("reads").len());
            }
            assert_eq!(contents(&store).await, expected(&writes));
            store.shared.core.state().write_anew(1, usize::MAX).expect("writes");
            assert_eq!(contents(&store).await, expected(&writes));
            drop(store);
            let store = EmbeddedStore::open(folder.path()).expect("opens");
            assert_eq!(contents(&store).await, expected(&writes));
            drop(store);

            let end = ends.last().copied().unwrap_or(0) * cut / 1000;
            std::fs::OpenOptions::new().write(true).open(&log).and_then(|file| file.set_len(end)).expect("cuts");
            let whole = ends.iter().take_while(|&&at| at <= end).count();
            let store = EmbeddedStore::open(folder.path()).expect("opens");
            assert_eq!(contents(&store).await, expected(&writes[..whole]));
        });
    }
}
