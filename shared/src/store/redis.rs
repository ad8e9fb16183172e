//! A store on a Redis or Valkey server, for fleets.
//!
//! [`crate::redis_connection::key`] lists the keys. The journal of a cell's calls is a Redis list: a note that a call is about to be sent
//! and its reply are entries at its end, which one command appends. Whoever takes the cell over reads the list once.
//!
//! No write depends on an earlier read. A command whose answer was lost is therefore sent again, and the marks of the journal
//! make its entries count once. While the server is unreachable or has no memory left, everything waits;
//! [`RedisStore::state`] says why.
//!
//! A write is durable once the server has confirmed it. With `appendonly yes` and `appendfsync everysec`, a server that loses
//! power loses up to the last second, and those calls are made again.

mod dictionary;
mod dictionary_cache;
mod finished;
mod lease;
mod names;
mod outcome_parts;
mod purge;

mod story;
mod writer;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Pipeline, Value};

use self::dictionary_cache::DictionaryCache;
use self::names::{CALLS, MANIFEST, STORY, bytes};
use self::story::Packed;
use self::writer::{Write, Writer};
use super::journal::{CallEvent, Marks, RecordReader};
use super::{Backstory, CallKey, CellRecord, Lease, LeaseReason, Owner, RecordedReply, Store, StoreError};
use crate::id::{Cell, RunId};
use crate::outcome::UncertainSpend;
use crate::redis_connection::key::{self, EXPIRY_SECONDS};
use crate::redis_connection::{Address, RedisConnection, RedisConnectionError, RedisConnectionState};

/// A store on a server. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisStore {
    connection: RedisConnection,
    writer: Arc<Writer>,
    dictionaries: DictionaryCache,
    marks: Arc<Marks>,
}

impl RedisStore {
    /// Connects to a server. While it is unreachable, keeps trying for as long as `patience`.
    pub async fn connect(address: &Address, patience: Duration) -> Result<Self, StoreError> {
        Ok(Self::new(RedisConnection::connect(address, patience).await?))
    }

    /// A store on a connection that may have other uses too.
    pub fn new(connection: RedisConnection) -> Self {
        let writer = Arc::new(Writer::new(connection.clone()));
        let dictionaries = DictionaryCache::new(connection.clone());
        Self { connection, writer, dictionaries, marks: Arc::new(Marks::new()) }
    }

    /// The connection.
    pub fn connection(&self) -> &RedisConnection {
        &self.connection
    }

    /// The state of the connection to the server.
    pub fn state(&self) -> RedisConnectionState {
        self.connection.state()
    }

    /// An entry at the end of a cell's journal.
    fn append(&self, run: &RunId, cell: Cell, event: &CallEvent<'_>) -> Write {
        let mut entry = Vec::with_capacity(if matches!(event, CallEvent::Reply { .. }) { 1024 } else { 48 });
        event.write(self.marks.next(), &mut entry);
        Write::Append { run: run.clone(), cell, entry }
    }

    async fn read_one(&self, commands: Pipeline) -> Result<Value, RedisConnectionError> {
        Ok(self.connection.read_or_lose(commands).await?.swap_remove(0))
    }

    /// Unpacks a backstory. One that cannot be read any more is removed, so that it is written again, and `None` is returned.
    async fn unpack(&self, run: &RunId, cell: Cell, bytes: &[u8]) -> Result<Option<Backstory>, StoreError> {
        let packed = Packed::read(bytes);
        let dictionary = match packed {
            Some(Packed::WithDictionary(id, _)) => self.dictionaries.get(run, id).await?,
            Some(Packed::Plain(_)) | None => None,
        };
        let unpacked = packed.map(|packed| packed.unpack(dictionary.as_deref()));
        let reason = match unpacked {
            Some(Ok(story)) => return Ok(Some(story)),
            Some(Err(error)) => error.to_string(),
            None => "another release wrote it".to_owned(),
        };
        tracing::warn!(%run, %cell, reason, "cannot read a stored backstory; it will be written again");
        let mut command = Pipeline::new();
        command.cmd("UNLINK").arg(key::of_cell(run, cell, STORY));
        self.connection.write(command).await?;
        Ok(None)
    }
}

impl Store for RedisStore {
    async fn put_manifest(&self, run: &RunId, manifest: &[u8]) -> Result<(), StoreError> {
        // It has no expiry: a run must find it even after a long pause.
        let mut command = Pipeline::new();
        command.cmd("SET").arg(key::of_run(run, MANIFEST)).arg(manifest);
        self.connection.write(command).await?;
        Ok(())
    }

    async fn manifest(&self, run: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        let mut command = Pipeline::new();
        command.cmd("GET").arg(key::of_run(run, MANIFEST));
        Ok(bytes(self.read_one(command).await?))
    }

    async fn put_backstory(&self, run: &RunId, cell: Cell, story: &Backstory) -> Result<(), StoreError> {
        let dictionary = self.dictionaries.of_run(run).await?;
        let packed = story::pack(story, dictionary.as_deref()).map_err(|error| StoreError::Failed {
            action: "compress a backstory for",
            place: self.connection.address().to_string(),
            reason: error.to_string(),
        })?;
        let mut commands = Pipeline::new();
        let story_key = key::of_cell(run, cell, STORY);
        commands.cmd("SET").arg(story_key).arg(packed.as_slice()).arg("NX").arg("EX").arg(EXPIRY_SECONDS);
        if let Some(dictionary) = &dictionary {
            DictionaryCache::refresh(run, dictionary, &mut commands);
        }
        let answers = self.connection.write(commands).await?.values;
        match dictionary {
            Some(dictionary) => self.dictionaries.put_back(run, &dictionary, &answers[1..]).await?,
            None if answers[0] == Value::Okay => self.dictionaries.add_sample(run, &packed).await?,
            None => {}
        }
        Ok(())
    }

    async fn backstory(&self, run: &RunId, cell: Cell) -> Result<Option<Backstory>, StoreError> {
        let mut command = Pipeline::new();
        command.cmd("GET").arg(key::of_cell(run, cell, STORY));
        match bytes(self.read_one(command).await?) {
            Some(packed) => self.unpack(run, cell, &packed).await,
            None => Ok(None),
        }
    }

    async fn note_sent(&self, run: &RunId, cell: Cell, key: CallKey, each: &UncertainSpend) -> Result<(), StoreError> {
        Ok(self.writer.write(self.append(run, cell, &CallEvent::Sent { key, each: *each })).await?)
    }

    async fn note_failed(&self, run: &RunId, cell: Cell, key: CallKey, perhaps_billed: bool) -> Result<(), StoreError> {
        Ok(self.writer.write(self.append(run, cell, &CallEvent::Failed { key, perhaps_billed })).await?)
    }

    fn record_reply(&self, run: &RunId, cell: Cell, key: CallKey, reply: &RecordedReply) -> Result<(), StoreError> {
        Ok(self.writer.begin(self.append(run, cell, &CallEvent::Reply { key, reply: Cow::Borrowed(reply) }))?)
    }

    async fn settle(&self) -> Result<(), StoreError> {
        Ok(self.writer.write(Write::Nothing).await?)
    }

    async fn cell_record(&self, run: &RunId, cell: Cell) -> Result<CellRecord, StoreError> {
        let calls = key::of_cell(run, cell, CALLS);
        let mut commands = Pipeline::new();
        commands.cmd("LRANGE").arg(&calls).arg(0).arg(-1);
        // Whoever reads the journal is about to go on with the cell.
        commands.cmd("EXPIRE").arg(&calls).arg(EXPIRY_SECONDS);
        let mut journal = RecordReader::default();
        if let Value::Array(entries) = self.read_one(commands).await? {
            entries.into_iter().filter_map(bytes).for_each(|entry| journal.read(&entry));
        }
        Ok(journal.finish(run, cell))
    }

    async fn put_outcome_parts(
        &self,
        run: &RunId,
        cell: Cell,
        digest: &str,
        parts: &[Bytes],
    ) -> Result<(), StoreError> {
        self.write_outcome_parts((run, cell), digest, parts).await
    }

    async fn outcome_parts(
        &self,
        run: &RunId,
        cell: Cell,
        digest: &str,
        count: u32,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read_outcome_parts((run, cell), digest, count).await
    }

    async fn forget(&self, run: &RunId, cell: Cell) -> Result<(), StoreError> {
        Ok(self.writer.write(Write::Finish { run: run.clone(), cell }).await?)
    }

    async fn acquire_lease(
        &self,
        run: &RunId,
        cell: Cell,
        owner: &Owner,
        reason: LeaseReason,
    ) -> Result<Lease, StoreError> {
        self.try_lease(run, cell, owner, reason).await
    }

    async fn renew_lease(&self, run: &RunId, cell: Cell, owner: &Owner) -> Result<bool, StoreError> {
        self.extend_lease(run, cell, owner).await
    }

    async fn release_lease(&self, run: &RunId, cell: Cell, owner: &Owner) -> Result<(), StoreError> {
        self.remove_lease(run, cell, owner).await
    }

    async fn put_finished(
        &self,
        run: &RunId,
        first_of_each: impl Iterator<Item = Cell> + Send,
        finished: impl Iterator<Item = Cell> + Send,
    ) -> Result<(), StoreError> {
        self.put_finished_bitmaps(run, first_of_each, finished).await
    }

    async fn expire_run(&self, run: &RunId) -> Result<(), StoreError> {
        self.expire_manifest(run).await
    }
}
