//! Sends the writes of many tasks to the server in batches: while two batches are on their way, the next one fills.
//!
//! Sending a command and its answer costs server and client more than its content does. The busier the process, the larger
//! its batches and the cheaper a write; an idle process never waits for a batch to fill.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use redis::{Cmd, Pipeline, Value, cmd};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::names::{CALLS, OUTCOME, OWNER, STORY, finished_key};
use crate::id::{Cell, RunId};
use crate::redis_connection::key::{self, EXPIRY_SECONDS};
use crate::redis_connection::{Answers, RedisConnection, RedisConnectionError};

/// The most writes in a batch.
const MAX_BATCH: usize = 1024;

/// The most batches that are sent and not answered. With two, the server has work while the tasks of the last batch go on.
const MAX_BATCHES_IN_FLIGHT: usize = 2;

/// A write.
#[derive(Debug)]
pub(super) enum Write {
    /// Appends an entry to the journal of a cell's calls, which gets its expiry with the first entry.
    Append { run: RunId, cell: Cell, entry: Vec<u8> },
    /// Removes the keys of a finished cell, which are in one slot, and sets its bit.
    Finish { run: RunId, cell: Cell },
    /// Writes nothing; it is done when all earlier writes are.
    Nothing,
}

/// Hands writes to the task that sends them.
#[derive(Debug)]
pub(super) struct Writer {
    /// It holds no more writes than there are calls and cells in progress, because each call waits for its first write.
    inbox: mpsc::UnboundedSender<(Write, Option<Done>)>,
    address: String,
    _task: AbortOnDropHandle<()>,
}

type Done = oneshot::Sender<Result<(), RedisConnectionError>>;

/// Writes that are sent together.
#[derive(Debug, Default)]
struct Batch {
    commands: Vec<Command>,
    /// Which command appends to the journal of a cell.
    appending: HashMap<(RunId, Cell), usize>,
    /// The bitmaps in which bits are set. Each gets its expiry once.
    bitmaps: HashSet<String>,
    waiting: Vec<Done>,
}

/// What came of a batch, and the tasks that wait for it.
struct Sent {
    outcome: Result<(), RedisConnectionError>,
    waiting: Vec<Done>,
}

#[derive(Debug)]
struct Command {
    command: Cmd,
    /// The key of the journal that it appends to, and the number of entries; `None` for any other command.
    appends: Option<(String, i64)>,
}

impl Writer {
    pub(super) fn new(connection: RedisConnection) -> Self {
        let (inbox, writes) = mpsc::unbounded_channel();
        let address = connection.address().to_string();
        Self { inbox, address, _task: AbortOnDropHandle::new(tokio::spawn(write_all(connection, writes))) }
    }

    /// Queues a write when first polled; returns once the server has it and all writes before it.
    pub(super) async fn write(&self, write: Write) -> Result<(), RedisConnectionError> {
        let (done, outcome) = oneshot::channel();
        self.inbox.send((write, Some(done))).map_err(|_| self.ending())?;
        outcome.await.map_err(|_| self.ending())?
    }

    /// Queues a write. If it fails, whoever waits for a later write gets the error.
    pub(super) fn begin(&self, write: Write) -> Result<(), RedisConnectionError> {
        self.inbox.send((write, None)).map_err(|_| self.ending())
    }

    /// The sending task is gone only if the whole runtime is shutting down.
    fn ending(&self) -> RedisConnectionError {
        RedisConnectionError::Unreachable { address: self.address.clone(), reason: "this process ends".to_owned() }
    }
}

async fn write_all(connection: RedisConnection, mut writes: mpsc::UnboundedReceiver<(Write, Option<Done>)>) {
    let mut taken = Vec::with_capacity(MAX_BATCH);
    // In order: no batch counts as durable before the one before it does.
    let mut under_way = FuturesOrdered::new();
    let mut failed = None;
    loop {
        tokio::select! {
            biased;
            Some(sent) = under_way.next() => {
                let sent = Sent::after(sent, failed.take());
                // A failure is kept until somebody has been told of it.
                failed = sent.outcome.clone().err().filter(|_| !under_way.is_empty() || sent.waiting.is_empty());
                sent.tell();
            }
            count = writes.recv_many(&mut taken, MAX_BATCH), if under_way.len() < MAX_BATCHES_IN_FLIGHT => {
                if count == 0 {
                    break;
                }
                // Other tasks that are ready to write now join this batch.
                tokio::task::yield_now().await;
                while taken.len() < MAX_BATCH {
                    let Ok(write) = writes.try_recv() else { break };
                    taken.push(write);
                }
                under_way.push_back(batch(&mut taken).send(&connection));
            }
        }
    }
    while let Some(sent) = under_way.next().await {
        sent.after(failed.clone()).tell();
    }
}

fn batch(taken: &mut Vec<(Write, Option<Done>)>) -> Batch {
    let mut batch = Batch::default();
    for (write, done) in taken.drain(..) {
        batch.add(write);
        batch.waiting.extend(done);
    }
    batch
}

impl Batch {
    fn add(&mut self, write: Write) {
        match write {
            Write::Append { run, cell, entry } => self.append((run, cell), &entry),
            Write::Finish { run, cell } => self.finish(run, cell),
            Write::Nothing => {}
        }
    }

    /// Appends to one journal in one command: a cell has many calls in flight.
    fn append(&mut self, of: (RunId, Cell), entry: &[u8]) {
        match self.appending.entry(of) {
            Slot::Occupied(slot) => {
                let Command { command, appends } = &mut self.commands[*slot.get()];
                command.arg(entry);
                if let Some((_, entries)) = appends {
                    *entries += 1;
                }
            }
            Slot::Vacant(slot) => {
                let (run, cell) = slot.key();
                let key = key::of_cell(run, *cell, CALLS);
                let mut command = cmd("RPUSH");
                command.arg(&key).arg(entry);
                slot.insert(self.commands.len());
                self.commands.push(Command { command, appends: Some((key, 1)) });
            }
        }
    }

    fn finish(&mut self, run: RunId, cell: Cell) {
        let mut unlink = cmd("UNLINK");
        for what in [STORY, CALLS, OWNER, OUTCOME] {
            unlink.arg(key::of_cell(&run, cell, what));
        }
        let bitmap = finished_key(&run, cell);
        let mut set_bit = cmd("SETBIT");
        set_bit.arg(&bitmap).arg(cell.respondent.row()).arg(1);
        for command in [unlink, set_bit] {
            self.commands.push(Command { command, appends: None });
        }
        self.bitmaps.insert(bitmap);
        // Later entries must not be appended before the keys are removed.
        self.appending.remove(&(run, cell));
    }

    async fn send(self, connection: &RedisConnection) -> Sent {
        let Self { mut commands, waiting, bitmaps, .. } = self;
        for bitmap in bitmaps {
            let mut command = cmd("EXPIRE");
            command.arg(bitmap).arg(EXPIRY_SECONDS);
            commands.push(Command { command, appends: None });
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        let mut appends = Vec::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.command);
            appends.push(command.appends);
        }
        Sent { outcome: write(connection, pipeline, appends).await, waiting }
    }
}

impl Sent {
    /// A batch that was sent while an earlier one failed counts as failed too: what follows is not durable either.
    fn after(self, failed: Option<RedisConnectionError>) -> Self {
        Self { outcome: failed.map_or(self.outcome, Err), ..self }
    }

    fn tell(self) {
        for done in self.waiting {
            // A task that has stopped waiting does not need the outcome.
            let _ = done.send(self.outcome.clone());
        }
    }
}

async fn write(
    connection: &RedisConnection,
    pipeline: Pipeline,
    appends: Vec<Option<(String, i64)>>,
) -> Result<(), RedisConnectionError> {
    if pipeline.is_empty() {
        return Ok(());
    }
    let Answers { values, sent_again } = connection.write(pipeline).await?;
    let mut expiries = Pipeline::new();
    for (value, appended) in values.into_iter().zip(appends) {
        let Some((key, entries)) = appended else { continue };
        // A list as long as what was appended is new. If the command was perhaps executed twice, the length says nothing.
        if sent_again || value == Value::Int(entries) {
            expiries.cmd("EXPIRE").arg(key).arg(EXPIRY_SECONDS);
        }
    }
    if !expiries.is_empty() {
        connection.write(expiries).await?;
    }
    Ok(())
}
