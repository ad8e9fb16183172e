//! A store in one file of this machine, for runs in one process.
//!
//! One thread writes. It takes all writes that wait, commits them together, and wakes their senders: a commit waits
//! for the disk, so one commit for each reply would make the disk the bottleneck.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable as _, Table, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use super::{Backstory, CallKey, RecordedReply, SentCall, Store, StoreError};
use crate::id::{Cell, RunId};
use crate::outcome::Unsure;

const MANIFESTS: TableDefinition<&str, &[u8]> = TableDefinition::new("manifests");
const BACKSTORIES: TableDefinition<CellKey, &[u8]> = TableDefinition::new("backstories");
const REPLIES: TableDefinition<CallRow, &[u8]> = TableDefinition::new("replies");
const SENT: TableDefinition<CallRow, &[u8]> = TableDefinition::new("sent");

/// Run, model, respondent, fold.
type CellKey = (&'static str, u16, u32, u8);

/// Run, model, respondent, fold, call.
type CallRow = (&'static str, u16, u32, u8, &'static str);

/// Sorts after every call key, which are JSON and begin with `{`.
const PAST_ALL_CALLS: &str = "\u{10ffff}";

/// How many writes one commit takes at most; bounds what a crash in mid-commit can undo.
const WRITES_PER_COMMIT: usize = 4096;

/// Memory that the database may use for pages, in bytes.
const CACHE_BYTES: usize = 16 << 20;

/// A store in one file. Cheap to clone; clones share the file.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: String,
    database: Arc<Database>,
    writes: Option<mpsc::Sender<Waiting>>,
    writer: Option<JoinHandle<()>>,
}

/// One write.
enum Write {
    Manifest(RunId, Vec<u8>),
    Backstory(RunId, Cell, Vec<u8>),
    Sent(RunId, Cell, String, Unsure),
    Reply(RunId, Cell, String, Vec<u8>),
    Forget(RunId, Cell),
}

/// A write and whom to tell when it is on the disk.
struct Waiting {
    write: Write,
    done: oneshot::Sender<Result<(), String>>,
}

impl EmbeddedStore {
    /// Opens the store in the file `path`, or makes it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let failed = |reason: String| StoreError::Failed { action: "open", place: place.clone(), reason };
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { place: place.clone() },
            other => failed(other.to_string()),
        })?;
        let database = Arc::new(database);
        create_tables(&database).map_err(|error| failed(error.to_string()))?;
        let (writes, inbox) = mpsc::channel(WRITES_PER_COMMIT);
        let of_writer = Arc::clone(&database);
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(&of_writer, inbox))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { shared: Arc::new(Shared { place, database, writes: Some(writes), writer: Some(writer) }) })
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let (done, outcome) = oneshot::channel();
        let writes = self.shared.writes.as_ref().expect("the sender is there until drop");
        let reason = match writes.send(Waiting { write, done }).await {
            Ok(()) => match outcome.await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(reason)) => reason,
                Err(_) => "the writer has ended".to_owned(),
            },
            Err(_) => "the writer has ended".to_owned(),
        };
        Err(StoreError::Failed { action: "write to", place: self.shared.place.clone(), reason })
    }

    fn read_failed(&self, error: impl std::fmt::Display) -> StoreError {
        StoreError::Failed { action: "read", place: self.shared.place.clone(), reason: error.to_string() }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8], what: impl std::fmt::Display) -> Result<T, StoreError> {
        serde_json::from_slice(bytes).map_err(|error| StoreError::Unreadable {
            place: self.shared.place.clone(),
            what: what.to_string(),
            reason: error.to_string(),
        })
    }

    fn read_manifest(&self, run: &RunId) -> Result<Option<Vec<u8>>, redb::Error> {
        let table = self.shared.database.begin_read()?.open_table(MANIFESTS)?;
        Ok(table.get(run.0.as_str())?.map(|value| value.value().to_vec()))
    }

    fn read_backstory(&self, run: &RunId, cell: Cell) -> Result<Option<Vec<u8>>, redb::Error> {
        let table = self.shared.database.begin_read()?.open_table(BACKSTORIES)?;
        let value = table.get((run.0.as_str(), cell.model.0, cell.respondent.row(), cell.fold.number()))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn read_calls(
        &self,
        table: TableDefinition<CallRow, &[u8]>,
        run: &RunId,
        cell: Cell,
    ) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
        let table = self.shared.database.begin_read()?.open_table(table)?;
        let (model, row, fold) = (cell.model.0, cell.respondent.row(), cell.fold.number());
        let calls = (run.0.as_str(), model, row, fold, "")..(run.0.as_str(), model, row, fold, PAST_ALL_CALLS);
        let mut rows = Vec::new();
        for entry in table.range(calls)? {
            let (key, value) = entry?;
            rows.push((key.value().4.to_owned(), value.value().to_vec()));
        }
        Ok(rows)
    }

    fn calls<T: DeserializeOwned>(
        &self,
        table: TableDefinition<CallRow, &[u8]>,
        run: &RunId,
        cell: Cell,
    ) -> Result<HashMap<CallKey, T>, StoreError> {
        let rows = self.read_calls(table, run, cell).map_err(|error| self.read_failed(error))?;
        let decoded = rows.into_iter().map(|(key, value)| {
            let key = self.decode(key.as_bytes(), format_args!("a call of {cell}"))?;
            let value = self.decode(&value, format_args!("a call of {cell}"))?;
            Ok((key, value))
        });
        decoded.collect()
    }
}

impl Store for EmbeddedStore {
    async fn put_manifest(&self, run: &RunId, manifest: &[u8]) -> Result<(), StoreError> {
        self.write(Write::Manifest(run.clone(), manifest.to_vec())).await
    }

    async fn manifest(&self, run: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_manifest(run).map_err(|error| self.read_failed(error))
    }

    async fn put_backstory(&self, run: &RunId, cell: Cell, story: &Backstory) -> Result<(), StoreError> {
        self.write(Write::Backstory(run.clone(), cell, encode(story))).await
    }

    async fn backstory(&self, run: &RunId, cell: Cell) -> Result<Option<Backstory>, StoreError> {
        let bytes = self.read_backstory(run, cell).map_err(|error| self.read_failed(error))?;
        bytes.map(|bytes| self.decode(&bytes, format_args!("the backstory of {cell}"))).transpose()
    }

    async fn record_reply(
        &self,
        run: &RunId,
        cell: Cell,
        key: CallKey,
        reply: &RecordedReply,
    ) -> Result<(), StoreError> {
        self.write(Write::Reply(run.clone(), cell, call_text(key), encode(reply))).await
    }

    async fn replies(&self, run: &RunId, cell: Cell) -> Result<HashMap<CallKey, RecordedReply>, StoreError> {
        self.calls(REPLIES, run, cell)
    }

    async fn note_sent(&self, run: &RunId, cell: Cell, key: CallKey, each: &Unsure) -> Result<(), StoreError> {
        self.write(Write::Sent(run.clone(), cell, call_text(key), *each)).await
    }

    async fn sent(&self, run: &RunId, cell: Cell) -> Result<HashMap<CallKey, SentCall>, StoreError> {
        self.calls(SENT, run, cell)
    }

    async fn forget(&self, run: &RunId, cell: Cell) -> Result<(), StoreError> {
        self.write(Write::Forget(run.clone(), cell)).await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.writes = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has already failed every write that waited for it.
            let _ = writer.join();
        }
    }
}

fn call_text(key: CallKey) -> String {
    serde_json::to_string(&key).expect("a call key can be written as JSON")
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is stored can be written as JSON")
}

fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(MANIFESTS)?;
    transaction.open_table(BACKSTORIES)?;
    transaction.open_table(REPLIES)?;
    transaction.open_table(SENT)?;
    transaction.commit()?;
    Ok(())
}

/// Commits what arrives until all senders are gone.
fn write_all(database: &Database, mut inbox: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::new();
    while let Some(first) = inbox.blocking_recv() {
        batch.push(first);
        while batch.len() < WRITES_PER_COMMIT {
            let Ok(next) = inbox.try_recv() else { break };
            batch.push(next);
        }
        let outcome = commit(database, &batch).map_err(|error| error.to_string());
        for waiting in batch.drain(..) {
            // A sender that no longer waits was cancelled; its write is done all the same.
            let _ = waiting.done.send(outcome.clone());
        }
    }
}

fn commit(database: &Database, batch: &[Waiting]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut tables = Tables::open(&transaction)?;
    for Waiting { write, .. } in batch {
        tables.apply(write)?;
    }
    drop(tables);
    transaction.commit()?;
    Ok(())
}

/// The tables of a store within one transaction.
struct Tables<'a> {
    manifests: Table<'a, &'static str, &'static [u8]>,
    backstories: Table<'a, CellKey, &'static [u8]>,
    replies: Table<'a, CallRow, &'static [u8]>,
    sent: Table<'a, CallRow, &'static [u8]>,
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            manifests: transaction.open_table(MANIFESTS)?,
            backstories: transaction.open_table(BACKSTORIES)?,
            replies: transaction.open_table(REPLIES)?,
            sent: transaction.open_table(SENT)?,
        })
    }

    fn apply(&mut self, write: &Write) -> Result<(), redb::Error> {
        match write {
            Write::Manifest(run, manifest) => {
                self.manifests.insert(run.0.as_str(), manifest.as_slice())?;
            }
            Write::Backstory(run, cell, story) => {
                self.backstories.insert(cell_key(run, *cell), story.as_slice())?;
            }
            Write::Sent(run, cell, call, each) => self.count_sent(call_row(run, *cell, call), each)?,
            Write::Reply(run, cell, call, reply) => {
                self.replies.insert(call_row(run, *cell, call), reply.as_slice())?;
            }
            Write::Forget(run, cell) => self.forget(run, *cell)?,
        }
        Ok(())
    }

    fn count_sent(&mut self, call: (&str, u16, u32, u8, &str), each: &Unsure) -> Result<(), redb::Error> {
        let before = self.sent.get(call)?.and_then(|row| serde_json::from_slice::<SentCall>(row.value()).ok());
        let times = before.map_or(0, |before| before.times) + 1;
        self.sent.insert(call, encode(&SentCall { times, each: *each }).as_slice())?;
        Ok(())
    }

    fn forget(&mut self, run: &RunId, cell: Cell) -> Result<(), redb::Error> {
        self.backstories.remove(cell_key(run, cell))?;
        for table in [&mut self.replies, &mut self.sent] {
            table.retain_in(call_row(run, cell, "")..call_row(run, cell, PAST_ALL_CALLS), |_, _| false)?;
        }
        Ok(())
    }
}

fn call_row<'a>(run: &'a RunId, cell: Cell, call: &'a str) -> (&'a str, u16, u32, u8, &'a str) {
    let (run, model, row, fold) = cell_key(run, cell);
    (run, model, row, fold, call)
}

fn cell_key(run: &RunId, cell: Cell) -> (&str, u16, u32, u8) {
    (run.0.as_str(), cell.model.0, cell.respondent.row(), cell.fold.number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Fold, ModelId, QuestionId, Respondent};
    use crate::method::Stage;
    use crate::outcome::{CellSpend, Ended, StageSpend};
    use crate::store::ReplyText;

    fn run() -> RunId {
        RunId("r1".to_owned())
    }

    fn cell(row: u32) -> Cell {
        let respondent = Respondent::new(row).expect("not 0");
        Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") }
    }

    fn key(question: u16, asked_before: u8) -> CallKey {
        CallKey { stage: Stage::Cognitive, question: QuestionId::new(question), asked_before }
    }

    fn reply(content: &str) -> RecordedReply {
        let reply = ReplyText::Text { content: content.to_owned(), cut_off: false };
        RecordedReply {
            reply,
            spend: StageSpend { sent: 1, answered: 1, ..StageSpend::default() },
            reported_model: "m".to_owned(),
        }
    }

    fn story(text: &str) -> Backstory {
        Backstory { text: text.to_owned(), ended: Ended::Answered, asked: 1, spend: CellSpend::default() }
    }

    fn open() -> (tempfile::TempDir, EmbeddedStore) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = EmbeddedStore::open(&folder.path().join("store.redb")).expect("opens");
        (folder, store)
    }

    #[tokio::test]
    async fn what_is_written_is_there_after_the_store_was_opened_again() {
        let (folder, store) = open();
        store.put_manifest(&run(), b"{}").await.expect("writes");
        store.put_backstory(&run(), cell(1), &story("You live.")).await.expect("writes");
        store.record_reply(&run(), cell(1), key(7, 0), &reply("Answer: 1")).await.expect("writes");
        drop(store);
        let store = EmbeddedStore::open(&folder.path().join("store.redb")).expect("opens again");
        assert_eq!(store.manifest(&run()).await.expect("reads"), Some(b"{}".to_vec()));
        assert_eq!(store.backstory(&run(), cell(1)).await.expect("reads"), Some(story("You live.")));
        assert_eq!(store.replies(&run(), cell(1)).await.expect("reads"), [(key(7, 0), reply("Answer: 1"))].into());
    }

    #[tokio::test]
    async fn replies_belong_to_their_cell_and_run() {
        let (_folder, store) = open();
        let other_run = RunId("r2".to_owned());
        store.record_reply(&run(), cell(1), key(7, 0), &reply("one")).await.expect("writes");
        store.record_reply(&run(), cell(1), key(7, 1), &reply("reminded")).await.expect("writes");
        store.record_reply(&run(), cell(2), key(7, 0), &reply("two")).await.expect("writes");
        store.record_reply(&other_run, cell(1), key(7, 0), &reply("other")).await.expect("writes");
        let replies = store.replies(&run(), cell(1)).await.expect("reads");
        assert_eq!(replies, [(key(7, 0), reply("one")), (key(7, 1), reply("reminded"))].into());
        assert_eq!(store.replies(&run(), cell(3)).await.expect("reads"), HashMap::new());
    }

    #[tokio::test]
    async fn forgetting_a_cell_leaves_its_neighbours() {
        let (_folder, store) = open();
        for row in [1, 2] {
            store.put_backstory(&run(), cell(row), &story("You live.")).await.expect("writes");
            store.record_reply(&run(), cell(row), key(7, 0), &reply("one")).await.expect("writes");
        }
        store.forget(&run(), cell(1)).await.expect("writes");
        assert_eq!(store.backstory(&run(), cell(1)).await.expect("reads"), None);
        assert!(store.replies(&run(), cell(1)).await.expect("reads").is_empty());
        assert!(store.backstory(&run(), cell(2)).await.expect("reads").is_some());
        assert_eq!(store.replies(&run(), cell(2)).await.expect("reads").len(), 1);
    }

    #[tokio::test]
    async fn sent_calls_are_counted_until_the_cell_is_forgotten() {
        let (_folder, store) = open();
        let each = Unsure { likely_cost: crate::money::NanoUsd(5), ..Unsure::default() };
        for _ in 0..3 {
            store.note_sent(&run(), cell(1), key(7, 0), &each).await.expect("writes");
        }
        store.note_sent(&run(), cell(2), key(7, 0), &each).await.expect("writes");
        let sent = store.sent(&run(), cell(1)).await.expect("reads");
        assert_eq!(sent, [(key(7, 0), SentCall { times: 3, each })].into());
        store.forget(&run(), cell(1)).await.expect("writes");
        assert!(store.sent(&run(), cell(1)).await.expect("reads").is_empty());
        assert_eq!(store.sent(&run(), cell(2)).await.expect("reads").len(), 1);
    }

    #[tokio::test]
    async fn a_second_opening_is_refused() {
        let (folder, _store) = open();
        let second = EmbeddedStore::open(&folder.path().join("store.redb"));
        assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    }
}
