//! Writes what many tasks have to write at the same time as one: while two batches are with the server, the next gathers.
//!
//! A server and a client spend more on a command and its answer by itself than on what it says. The busier the process,
//! the larger the batches become, and the less a write costs; an idle process waits for nothing.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use redis::{Cmd, Pipeline, Value, cmd};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::names::{CALLS, OWNER, STORY, finished_key};
use crate::id::{Cell, RunId};
use crate::link::key::{self, EXPIRY_SECONDS};
use crate::link::{Answers, Link, LinkError};

/// Writes that are sent together at most.
const MOST_TOGETHER: usize = 1024;

/// Batches with the server at the same time: it has the next one while those who waited for the last one go on.
const MOST_UNDER_WAY: usize = 2;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Write {
    /// An entry at the end of the list of a cell's calls, which gets an expiry when it is begun.
    Append { run: RunId, cell: Cell, entry: Vec<u8> },
    /// The cell is finished: nothing is under its keys any more, which are in one slot, and its bit is set.
    Finish { run: RunId, cell: Cell },
    /// Nothing, after all that was written before.
    Nothing,
}

/// Hands writes to the task that does them.
#[derive(Debug)]
pub(super) struct Writer {
    /// Each call waits for its first word to be written, so that no more is in it than there are calls and cells under way.
    inbox: mpsc::UnboundedSender<(Write, Option<Done>)>,
    address: String,
    _task: AbortOnDropHandle<()>,
}

type Done = oneshot::Sender<Result<(), LinkError>>;

/// Writes that go together.
#[derive(Debug, Default)]
struct Batch {
    commands: Vec<Command>,
    /// Which command appends to a cell's list.
    appending: HashMap<(RunId, Cell), usize>,
    /// Bitmaps in which bits are set, each of which gets its expiry once.
    bitmaps: HashSet<String>,
    waiting: Vec<Done>,
}

/// A batch that the server has, or will not have, and those who wait for that.
struct Sent {
    outcome: Result<(), LinkError>,
    waiting: Vec<Done>,
}

#[derive(Debug)]
struct Command {
    command: Cmd,
    /// The list that it appends to, and how many entries; none where it does something else.
    appends: Option<(String, i64)>,
}

impl Writer {
    pub(super) fn new(link: Link) -> Self {
        let (inbox, writes) = mpsc::unbounded_channel();
        let address = link.address().to_string();
        Self { inbox, address, _task: AbortOnDropHandle::new(tokio::spawn(write_all(link, writes))) }
    }

    /// Returns when the server has it, and what was written before. Is in line once it was polled.
    pub(super) async fn write(&self, write: Write) -> Result<(), LinkError> {
        let (done, outcome) = oneshot::channel();
        self.inbox.send((write, Some(done))).map_err(|_| self.ending())?;
        outcome.await.map_err(|_| self.ending())?
    }

    /// Puts it in line. Where it fails, whoever waits for something that is in line later hears of it.
    pub(super) fn begin(&self, write: Write) -> Result<(), LinkError> {
        self.inbox.send((write, None)).map_err(|_| self.ending())
    }

    /// The task is gone only where the whole runtime is going.
    fn ending(&self) -> LinkError {
        LinkError::Unreachable { address: self.address.clone(), reason: "this process ends".to_owned() }
    }
}

async fn write_all(link: Link, mut writes: mpsc::UnboundedReceiver<(Write, Option<Done>)>) {
    let mut taken = Vec::with_capacity(MOST_TOGETHER);
    // Ordered: nobody is told that a batch is safe before the one before it is.
    let mut under_way = FuturesOrdered::new();
    let mut failed = None;
    loop {
        tokio::select! {
            biased;
            Some(sent) = under_way.next() => {
                let sent = Sent::after(sent, failed.take());
                // A failure stands until somebody has heard it.
                failed = sent.outcome.clone().err().filter(|_| !under_way.is_empty() || sent.waiting.is_empty());
                sent.tell();
            }
            count = writes.recv_many(&mut taken, MOST_TOGETHER), if under_way.len() < MOST_UNDER_WAY => {
                if count == 0 {
                    break;
                }
                // Whoever else is ready to write now goes with the first.
                tokio::task::yield_now().await;
                while taken.len() < MOST_TOGETHER {
                    let Ok(write) = writes.try_recv() else { break };
                    taken.push(write);
                }
                under_way.push_back(batch(&mut taken).send(&link));
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

    /// Entries for one list go into one command: a cell has many calls under way.
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
        for what in [STORY, CALLS, OWNER] {
            unlink.arg(key::of_cell(&run, cell, what));
        }
        let bitmap = finished_key(&run, cell);
        let mut set_bit = cmd("SETBIT");
        set_bit.arg(&bitmap).arg(cell.respondent.row()).arg(1);
        for command in [unlink, set_bit] {
            self.commands.push(Command { command, appends: None });
        }
        self.bitmaps.insert(bitmap);
        // What is appended later must not come before.
        self.appending.remove(&(run, cell));
    }

    async fn send(self, link: &Link) -> Sent {
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
        Sent { outcome: write(link, pipeline, appends).await, waiting }
    }
}

impl Sent {
    /// The same for a batch that went out while the one before it failed, if it did: what comes later is not safe either.
    fn after(self, failed: Option<LinkError>) -> Self {
        Self { outcome: failed.map_or(self.outcome, Err), ..self }
    }

    fn tell(self) {
        for done in self.waiting {
            // Who does not wait any more does not need to know.
            let _ = done.send(self.outcome.clone());
        }
    }
}

async fn write(link: &Link, pipeline: Pipeline, appends: Vec<Option<(String, i64)>>) -> Result<(), LinkError> {
    if pipeline.is_empty() {
        return Ok(());
    }
    let Answers { values, sent_again } = link.write(pipeline).await?;
    let mut expiries = Pipeline::new();
    for (value, appended) in values.into_iter().zip(appends) {
        let Some((key, entries)) = appended else { continue };
        // As long as what was appended: the list was begun. Where it was perhaps appended twice, its length says nothing.
        if sent_again || value == Value::Int(entries) {
            expiries.cmd("EXPIRE").arg(key).arg(EXPIRY_SECONDS);
        }
    }
    if !expiries.is_empty() {
        link.write(expiries).await?;
    }
    Ok(())
}
