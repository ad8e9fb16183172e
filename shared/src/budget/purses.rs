//! The purses of a run's workers, where workers and the coordinator meet: in the store of a fleet, or in memory.
//!
//! ```text
//!   worker ── statement: spent, reserved, wanted ──> purses <── grants: drawn by each owner ── coordinator
//!          <────────── what it may spend ───────────        ── statements of all owners ────>
//! ```
//!
//! A worker sends no call before its statement with that call is here and the answer covers it. So whatever the coordinator
//! takes back or closes is known to the worker before its next call, and the last statement of a worker that is gone has the
//! most that it can have spent.

mod memory;
mod redis;
mod written;

use std::sync::{Arc, Mutex};

use self::memory::MemoryPurses;
pub use self::written::{Closing, Found, Purse, Stated};
use super::statement::Statement;
use crate::id::RunId;
use crate::money::NanoUsd;
use crate::redis_connection::{RedisConnection, RedisConnectionError};

/// Where the purses of runs are. All clones are the same.
#[derive(Debug, Clone)]
pub struct Purses(Place);

#[derive(Debug, Clone)]
enum Place {
    Store(RedisConnection),
    Memory(Arc<Mutex<MemoryPurses>>),
}

impl Purses {
    /// Purses in the store.
    pub fn in_store(connection: RedisConnection) -> Self {
        Self(Place::Store(connection))
    }

    /// Purses in this process, for tests and rehearsals.
    pub fn in_memory() -> Self {
        Self(Place::Memory(Arc::default()))
    }

    /// Loses everything, as a store does that is flushed. Nothing happens to purses in a store.
    pub fn lose_all(&self) {
        if let Place::Memory(purses) = &self.0 {
            memory::locked(purses).lose_all();
        }
    }

    /// Puts a worker's statement in the place of its last one, and returns what it may spend.
    pub async fn state(&self, run: &RunId, owner: &str, statement: &Statement) -> Result<Purse, RedisConnectionError> {
        match &self.0 {
            Place::Store(connection) => redis::state(connection, run, owner, statement).await,
            Place::Memory(purses) => Ok(memory::locked(purses).state(run, owner, statement)),
        }
    }

    /// Everything about a run.
    pub async fn read(&self, run: &RunId) -> Result<Found, RedisConnectionError> {
        match &self.0 {
            Place::Store(connection) => redis::read(connection, run).await,
            Place::Memory(purses) => Ok(memory::locked(purses).read(run)),
        }
    }

    /// Opens purses, or adds to them: by owner, what it may spend of each model.
    pub async fn grant(&self, run: &RunId, grants: &[(String, Vec<NanoUsd>)]) -> Result<(), RedisConnectionError> {
        match &self.0 {
            Place::Store(connection) => redis::grant(connection, run, grants).await,
            Place::Memory(purses) => {
                memory::locked(purses).grant(run, grants);
                Ok(())
            }
        }
    }

    /// Takes back what an owner has not used, unless it has made another statement. Returns whether that was done.
    pub async fn shrink(
        &self,
        run: &RunId,
        (owner, stated): (&str, &Stated),
        to: &[NanoUsd],
    ) -> Result<bool, RedisConnectionError> {
        match &self.0 {
            Place::Store(connection) => redis::shrink(connection, run, (owner, stated.bytes()), to).await,
            Place::Memory(purses) => Ok(memory::locked(purses).shrink(run, (owner, stated.bytes()), to)),
        }
    }

    /// Closes a purse if the store is still in this life. No call is sent from it afterwards.
    pub async fn close(&self, run: &RunId, (owner, life): (&str, &str)) -> Result<Closing, RedisConnectionError> {
        match &self.0 {
            Place::Store(connection) => redis::close(connection, run, (owner, life)).await,
            Place::Memory(purses) => Ok(memory::locked(purses).close(run, (owner, life))),
        }
    }

    /// Forgets the statement of a closed purse. The purse stays closed, so that its owner hears of it.
    pub async fn forget(&self, run: &RunId, owner: &str) -> Result<(), RedisConnectionError> {
        match &self.0 {
            Place::Store(connection) => redis::forget(connection, run, owner).await,
            Place::Memory(purses) => {
                memory::locked(purses).forget(run, owner);
                Ok(())
            }
        }
    }

    /// Removes all purses and statements of a run: whoever has one gets nothing more from it.
    pub async fn clear(&self, run: &RunId) -> Result<(), RedisConnectionError> {
        match &self.0 {
            Place::Store(connection) => redis::clear(connection, run).await,
            Place::Memory(purses) => {
                memory::locked(purses).clear(run);
                Ok(())
            }
        }
    }
}
