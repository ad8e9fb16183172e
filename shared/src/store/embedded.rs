//! A store in a folder of files, for runs in one process: a log that is only appended to.
//!
//! Every write goes to the end of the log. An index in memory says where the entries are that are still needed, and these
//! are read from the log. A thread syncs the log to the disk fifty times a second, because a sync for each reply would make
//! the disk the bottleneck. Segments of the log that no cell needs any more are removed.

mod entry;
mod files;
mod former_call;
mod frame;
mod index;
mod log;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use self::entry::{Body, Call, Entry};
use self::files::{lock, write_file};
use self::index::Index;
use self::log::{Log, Place};
use super::journal::{CallEvent, Marks, RecordReader};
use super::{Backstory, CallKey, CellRecord, RecordedReply, Store, StoreError};
use crate::id::{Cell, RunId};
use crate::outcome::UncertainSpend;

/// How long a write that nobody waits for may take to reach the disk: what a power loss can cost.
const NOTE_DELAY: Duration = Duration::from_millis(20);

/// The shortest time from one sync to the next. The first write is synced at once; of thousands a second many share a sync.
const BETWEEN_SYNCS: Duration = Duration::from_millis(2);

/// The size in bytes at which a segment of the log is full.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The log is cleaned when less than one byte in this many is still needed.
const CLEAN_BELOW: u64 = 4;

/// How many cells are rewritten before other writes have their turn. They take a millisecond and some megabytes.
const CLEANED_AT_ONCE: usize = 32;

/// A store in a folder. Cheap to clone; clones share the files.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    core: Arc<Core>,
    marks: Marks,
    syncer: Option<JoinHandle<()>>,
    /// Locks other processes out while it is open.
    _lock: File,
}

/// What the users of the store and its thread share.
#[derive(Debug)]
struct Core {
    state: Mutex<State>,
    /// Wakes the thread.
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    log: Log,
    index: Index,
    /// Those who wait for the next sync.
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    sleep: Sleep,
    closing: bool,
}

/// What the store's thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// It is working.
    Awake,
    /// It waits for the first write.
    UntilThereIsWork,
    /// It lets more writes gather before it syncs them.
    UntilTheDelayIsOver,
}

impl EmbeddedStore {
    /// Opens the store in the folder `path`, or makes it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, SEGMENT_BYTES)
    }

    fn open_with(path: &Path, segment_bytes: u64) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let failed =
            |error: &io::Error| StoreError::Failed { action: "open", place: place.clone(), reason: error.to_string() };
        std::fs::create_dir_all(path).map_err(|error| failed(&error))?;
        let lock = lock(path).map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse { place: place.clone() },
            TryLockError::Error(error) => failed(&error),
        })?;
        let mut index = Index::default();
        let log = Log::open(path, segment_bytes, |payload, at| {
            if let Some(entry) = Entry::read(payload) {
                index.add(&entry, at);
            }
        });
        let log = log.map_err(|error| failed(&error))?;
        let state = State { log, index, waiting: Vec::new(), sleep: Sleep::Awake, closing: false };
        let core = Arc::new(Core { state: Mutex::new(state), wake: Condvar::new() });
        let of_thread = Arc::clone(&core);
        let syncer = std::thread::Builder::new().name("store".to_owned()).spawn(move || of_thread.sync_all());
        let syncer = Some(syncer.map_err(|error| failed(&error))?);
        Ok(Self {
            shared: Arc::new(Shared { folder: path.to_owned(), core, marks: Marks::new(), syncer, _lock: lock }),
        })
    }

    fn failed(&self, action: &'static str, reason: impl std::fmt::Display) -> StoreError {
        StoreError::Failed { action, place: self.place(), reason: reason.to_string() }
    }

    fn place(&self) -> String {
        self.shared.folder.display().to_string()
    }

    /// An entry of a cell's journal.
    fn entry<'a>(&self, run: &'a RunId, cell: Cell, event: &'a CallEvent<'a>) -> Entry<'a> {
        Entry { run: &run.0, cell, body: Body::Call(Call::Event(self.shared.marks.next(), event)) }
    }

    /// Writes an entry, which then survives the end of the process. All tasks that do so in one turn of the runtime's thread share
    /// a write.
    async fn note(&self, entry: Entry<'_>) -> Result<(), StoreError> {
        let place = self.shared.core.state().append(&entry);
        yield_now().await;
        let mut state = self.shared.core.state();
        let flushed = if state.log.is_flushed(place) { Ok(()) } else { state.log.flush() };
        if state.sleep == Sleep::UntilThereIsWork {
            self.shared.core.wake_thread(&mut state);
        }
        flushed.map_err(|error| self.failed("write to", error))
    }

    /// Writes an entry together with the next one, or after a moment.
    fn add_to_next(&self, entry: &Entry<'_>) {
        let mut state = self.shared.core.state();
        state.append(entry);
        if state.sleep == Sleep::UntilThereIsWork {
            self.shared.core.wake_thread(&mut state);
        }
    }

    /// Waits until the next sync, after which what was written survives a crash of the machine.
    async fn wait_for_the_disk(&self, synced: oneshot::Receiver<Result<(), String>>) -> Result<(), StoreError> {
        let outcome = synced.await.unwrap_or_else(|_| Err("its thread has ended".to_owned()));
        outcome.map_err(|reason| self.failed("write to", reason))
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8], what: impl std::fmt::Display) -> Result<T, StoreError> {
        serde_json::from_slice(bytes).map_err(|error| StoreError::Unreadable {
            place: self.place(),
            what: what.to_string(),
            reason: error.to_string(),
        })
    }

    fn manifest_path(&self, run: &RunId) -> PathBuf {
        self.shared.folder.join(format!("{run}.manifest"))
    }
}

impl Store for EmbeddedStore {
    async fn put_manifest(&self, run: &RunId, manifest: &[u8]) -> Result<(), StoreError> {
        // In a file of its own, because in the log it would keep its segment for as long as the run lasts.
        write_file(&self.manifest_path(run), manifest).map_err(|error| self.failed("write a manifest to", error))
    }

    async fn manifest(&self, run: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        match std::fs::read(self.manifest_path(run)) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read a manifest from", error)),
        }
    }

    async fn put_backstory(&self, run: &RunId, cell: Cell, story: &Backstory) -> Result<(), StoreError> {
        let synced = {
            let mut state = self.shared.core.state();
            if state.index.get(run, cell).is_none_or(|entries| entries.backstory.is_none()) {
                state.append(&Entry { run: &run.0, cell, body: Body::Backstory(&encode(story)) });
            }
            // The one that is there may not have reached the disk yet.
            self.shared.core.sync_soon(&mut state)
        };
        self.wait_for_the_disk(synced).await
    }

    async fn backstory(&self, run: &RunId, cell: Cell) -> Result<Option<Backstory>, StoreError> {
        let payload = {
            let mut state = self.shared.core.state();
            let Some(place) = state.index.get(run, cell).and_then(|entries| entries.backstory) else { return Ok(None) };
            state.log.read(place).map_err(|error| self.failed("read", error))?
        };
        match Entry::read(&payload) {
            Some(Entry { body: Body::Backstory(json), .. }) => {
                self.decode(json, format_args!("the backstory of {cell}")).map(Some)
            }
            _ => Err(self.failed("read", "a backstory is not where it was written")),
        }
    }

    async fn note_sent(&self, run: &RunId, cell: Cell, key: CallKey, each: &UncertainSpend) -> Result<(), StoreError> {
        self.note(self.entry(run, cell, &CallEvent::Sent { key, each: *each })).await
    }

    async fn note_failed(&self, run: &RunId, cell: Cell, key: CallKey, perhaps_billed: bool) -> Result<(), StoreError> {
        self.note(self.entry(run, cell, &CallEvent::Failed { key, perhaps_billed })).await
    }

    fn record_reply(&self, run: &RunId, cell: Cell, key: CallKey, reply: &RecordedReply) -> Result<(), StoreError> {
        self.add_to_next(&self.entry(run, cell, &CallEvent::Reply { key, reply: Cow::Borrowed(reply) }));
        Ok(())
    }

    async fn settle(&self) -> Result<(), StoreError> {
        self.shared.core.state().log.flush().map_err(|error| self.failed("write to", error))
    }

    async fn cell_record(&self, run: &RunId, cell: Cell) -> Result<CellRecord, StoreError> {
        let payloads: Vec<Vec<u8>> = {
            let mut state = self.shared.core.state();
            let places = state.index.get(run, cell).map(|entries| entries.calls.clone()).unwrap_or_default();
            let read = places.into_iter().map(|place| state.log.read(place));
            read.collect::<io::Result<_>>().map_err(|error| self.failed("read", error))?
        };
        let mut journal = RecordReader::default();
        for entry in payloads.iter().filter_map(|payload| Entry::read(payload)) {
            match entry.body {
                Body::Call(Call::Entry(bytes)) => journal.read(bytes),
                Body::Call(Call::Former(kind, bytes)) => journal.add(former_call::read(kind, bytes)),
                Body::Call(Call::Event(..)) | Body::Backstory(_) | Body::Forgotten | Body::Rewritten(_) => {}
            }
        }
        Ok(journal.finish(run, cell))
    }

    async fn forget(&self, run: &RunId, cell: Cell) -> Result<(), StoreError> {
        self.note(Entry { run: &run.0, cell, body: Body::Forgotten }).await?;
        self.shared.core.state().remove_unneeded().map_err(|error| self.failed("clean", error))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut state = self.core.state();
        state.closing = true;
        self.core.wake_thread(&mut state);
        drop(state);
        if let Some(syncer) = self.syncer.take() {
            // A thread that panicked has already failed everyone who waited for it.
            let _ = syncer.join();
        }
    }
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread; the receiver gets the outcome of the sync of all that has been written so far.
    fn sync_soon(&self, state: &mut State) -> oneshot::Receiver<Result<(), String>> {
        let (done, synced) = oneshot::channel();
        state.waiting.push(done);
        self.wake_thread(state);
        synced
    }

    fn wake_thread(&self, state: &mut State) {
        if state.sleep != Sleep::Awake {
            state.sleep = Sleep::Awake;
            self.wake.notify_one();
        }
    }

    /// Syncs the log whenever somebody waits for it, until the store closes.
    fn sync_all(&self) {
        let mut state = self.state();
        loop {
            state = self.until_there_is_work(state);
            let started = Instant::now();
            let waiting = std::mem::take(&mut state.waiting);
            let flushed = state.log.flush();
            let dirty = state.log.take_dirty();
            let closing = state.closing;
            drop(state);
            let synced = flushed.and_then(|()| dirty.iter().try_for_each(|file| file.sync_data()));
            let outcome = synced.map_err(|error| error.to_string());
            for done in waiting {
                // A task that has stopped waiting does not need the outcome.
                let _ = done.send(outcome.clone());
            }
            state = self.state();
            if closing && (outcome.is_err() || state.log.is_synced()) {
                return;
            }
            let rest = BETWEEN_SYNCS.saturating_sub(started.elapsed());
            let rested = self.wake.wait_timeout_while(state, rest, |state| !state.closing);
            state = rested.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn until_there_is_work<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.waiting.is_empty() && !state.closing {
            if state.log.is_synced() {
                state.sleep = Sleep::UntilThereIsWork;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.sleep = Sleep::UntilTheDelayIsOver;
            let (awake, slept) = self.wake.wait_timeout(state, NOTE_DELAY).unwrap_or_else(PoisonError::into_inner);
            state = awake;
            if slept.timed_out() {
                break;
            }
        }
        state.sleep = Sleep::Awake;
        state
    }
}

impl State {
    fn append(&mut self, entry: &Entry<'_>) -> Place {
        let place = self.log.append(|into| entry.write(into));
        self.index.add(entry, place);
        place
    }

    /// Removes the oldest segments, as far as no cell needs them. A later segment stays until all earlier ones are gone: it may
    /// hold the entry that makes an entry in an earlier segment invalid.
    fn remove_unneeded(&mut self) -> io::Result<()> {
        while let Some(oldest) = self.log.oldest() {
            if self.index.needed(oldest) > 0 && self.is_wasteful() {
                self.write_anew(oldest, CLEANED_AT_ONCE)?;
            }
            if self.index.needed(oldest) > 0 {
                break;
            }
            // What was rewritten must be on the disk before the only other copy is removed.
            self.log.flush()?;
            self.log.take_dirty().iter().try_for_each(|file| file.sync_data())?;
            self.log.remove(oldest)?;
            self.index.removed(oldest);
        }
        Ok(())
    }

    /// Whether a few long-lived cells keep many bytes that nobody needs.
    fn is_wasteful(&self) -> bool {
        self.index.needed_in_all().saturating_mul(CLEAN_BELOW) < self.log.full_bytes()
    }

    /// Rewrites some cells of a segment at the end of the log.
    fn write_anew(&mut self, segment: u32, cells: usize) -> io::Result<()> {
        for (run, cell, places) in self.index.cells_in(segment).into_iter().take(cells) {
            let mut frames = Vec::new();
            for place in places {
                let payload = self.log.read(place)?;
                frame::push(&mut frames, |into| into.extend_from_slice(&payload));
            }
            self.append(&Entry { run: &run.0, cell, body: Body::Rewritten(&frames) });
            self.log.flush()?;
        }
        Ok(())
    }
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is stored can be written as JSON")
}
