//! The parts of an outcome that is too long for a message: a hash of its cell, with a field for each part.

use bytes::Bytes;
use redis::Pipeline;

use super::RedisStore;
use super::names::{OUTCOME, bytes};
use crate::id::{Cell, RunId};
use crate::redis_connection::key::{self, EXPIRY_SECONDS};
use crate::store::StoreError;

impl RedisStore {
    /// Writes one part after the other, so that no command is as long as the outcome. Writing a part twice changes nothing.
    pub(super) async fn write_outcome_parts(
        &self,
        (run, cell): (&RunId, Cell),
        digest: &str,
        parts: &[Bytes],
    ) -> Result<(), StoreError> {
        let key = key::of_cell(run, cell, OUTCOME);
        for (number, part) in parts.iter().enumerate() {
            let mut commands = Pipeline::new();
            commands.cmd("HSET").arg(&key).arg(field(digest, number)).arg(&part[..]);
            commands.cmd("EXPIRE").arg(&key).arg(EXPIRY_SECONDS);
            self.connection.write(commands).await?;
        }
        Ok(())
    }

    /// Reads up to `count` parts, and ends before the first that is missing.
    pub(super) async fn read_outcome_parts(
        &self,
        (run, cell): (&RunId, Cell),
        digest: &str,
        count: u32,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let key = key::of_cell(run, cell, OUTCOME);
        let mut parts = Vec::new();
        for number in 0..count as usize {
            let mut command = Pipeline::new();
            command.cmd("HGET").arg(&key).arg(field(digest, number));
            let Some(part) = bytes(self.read_one(command).await?) else { break };
            parts.push(part);
        }
        Ok(parts)
    }
}

fn field(digest: &str, number: usize) -> String {
    format!("{digest}:{number}")
}
