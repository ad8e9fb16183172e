//! Which cells are finished: a bitmap for each model and fold of a run, with one bit for each respondent.

use std::collections::BTreeMap;

use redis::Pipeline;

use super::RedisStore;
use super::names::finished_key;
use crate::id::{Cell, RunId};
use crate::redis_connection::key::EXPIRY_SECONDS;
use crate::store::StoreError;

impl RedisStore {
    /// Replaces the bitmaps of a run. `first_of_each` has one cell of each of its models and folds.
    pub(super) async fn put_finished_bitmaps(
        &self,
        run: &RunId,
        first_of_each: impl Iterator<Item = Cell> + Send,
        finished: impl Iterator<Item = Cell> + Send,
    ) -> Result<(), StoreError> {
        let mut bitmaps: BTreeMap<String, Vec<u8>> =
            first_of_each.map(|cell| (finished_key(run, cell), Vec::new())).collect();
        for cell in finished {
            set_bit(bitmaps.entry(finished_key(run, cell)).or_default(), cell.respondent.row());
        }
        let mut commands = Pipeline::with_capacity(bitmaps.len());
        for (key, bitmap) in bitmaps {
            if bitmap.is_empty() {
                commands.cmd("UNLINK").arg(key);
            } else {
                commands.cmd("SET").arg(key).arg(bitmap).arg("EX").arg(EXPIRY_SECONDS);
            }
        }
        self.connection.write(commands).await?;
        Ok(())
    }
}

/// Sets a bit as Redis counts bits: bit 0 is the highest bit of the first byte.
fn set_bit(bitmap: &mut Vec<u8>, bit: u32) {
    let (byte, bit) = (bit as usize / 8, bit % 8);
    if bitmap.len() <= byte {
        bitmap.resize(byte + 1, 0);
    }
    bitmap[byte] |= 0x80 >> bit;
}
