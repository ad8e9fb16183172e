//! Removes a run's data: at once, or by an expiry some time after the run.

use redis::{Pipeline, Value};

use super::RedisStore;
use super::names::{MANIFEST, bytes};
use crate::id::RunId;
use crate::redis_connection::RedisConnectionError;
use crate::redis_connection::key::{self, EXPIRY_SECONDS};
use crate::store::StoreError;

/// How many keys the server scans in one step. A step takes about a millisecond, in which it does nothing else.
const KEYS_IN_A_STEP: usize = 1_000;

/// The cursor with which a scan of all keys begins and ends.
const START: &str = "0";

impl RedisStore {
    /// Gives a finished run's manifest its expiry; all else has one already. A run that is started again writes the
    /// manifest again, and then it has none.
    pub(super) async fn expire_manifest(&self, run: &RunId) -> Result<(), StoreError> {
        let mut command = Pipeline::new();
        command.cmd("EXPIRE").arg(key::of_run(run, MANIFEST)).arg(EXPIRY_SECONDS);
        self.connection.write(command).await?;
        Ok(())
    }

    /// Removes everything of a run and returns how many keys it had. The server scans all its keys for that, in steps between
    /// which it serves others.
    pub async fn purge(&self, run: &RunId) -> Result<u64, StoreError> {
        let pattern = key::all_of_run(run);
        let mut cursor = START.as_bytes().to_vec();
        let mut removed = 0;
        loop {
            let (next, keys) = self.scan(&cursor, &pattern).await?;
            removed += self.remove(keys).await?;
            if next == START.as_bytes() {
                return Ok(removed);
            }
            cursor = next;
        }
    }

    /// One step of a scan: the cursor of the next step, and the keys that were found.
    async fn scan(&self, cursor: &[u8], pattern: &str) -> Result<(Vec<u8>, Vec<Value>), StoreError> {
        let mut command = Pipeline::new();
        command.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(KEYS_IN_A_STEP);
        let answer = self.read_one(command).await?;
        match redis::from_redis_value(answer) {
            Ok((next, Value::Array(keys))) => Ok((next, keys)),
            other => Err(RedisConnectionError::NotRedis {
                address: self.connection.address().to_string(),
                reason: format!("it answered SCAN with {other:?}"),
            }
            .into()),
        }
    }

    async fn remove(&self, keys: Vec<Value>) -> Result<u64, StoreError> {
        let mut commands = Pipeline::with_capacity(keys.len());
        for key in keys.into_iter().filter_map(bytes) {
            // One by one, because the slots of a cluster differ.
            commands.cmd("UNLINK").arg(key);
        }
        if commands.is_empty() {
            return Ok(0);
        }
        let answers = self.connection.write(commands).await?.values;
        Ok(answers.iter().filter(|answer| **answer == Value::Int(1)).count() as u64)
    }
}
