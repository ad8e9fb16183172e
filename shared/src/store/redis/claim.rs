//! Who works on which cell, and which cells are finished: so that copies of a task cost nothing.

use std::collections::BTreeMap;

use redis::{Pipeline, Value};

use super::RedisStore;
use super::names::{HOLDER, bytes, finished_key};
use crate::id::{Cell, RunId};
use crate::link::key::{self, EXPIRY_SECONDS};
use crate::store::{CLAIM_EXPIRY, Claim, Ground, Holder, StoreError};

/// Removes a claim if it is still the holder's; one step for the server, so that no other's is removed.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end return 0";

impl RedisStore {
    pub(super) async fn try_claim(
        &self,
        run: &RunId,
        cell: Cell,
        holder: &Holder,
        ground: Ground,
    ) -> Result<Claim, StoreError> {
        let mut commands = Pipeline::new();
        commands.cmd("GETBIT").arg(finished_key(run, cell)).arg(cell.respondent.row());
        let set = commands.cmd("SET").arg(key::of_cell(run, cell, HOLDER)).arg(&holder.0);
        set.arg("EX").arg(CLAIM_EXPIRY.as_secs()).arg("GET");
        if ground == Ground::FirstDelivery {
            set.arg("NX");
        }
        let mut answers = self.link.write(commands).await?.values;
        let before = answers.pop().and_then(bytes);
        if answers.pop() == Some(Value::Int(1)) {
            self.release_claim(run, cell, holder).await?;
            return Ok(Claim::Finished);
        }
        // One's own name stands there where the answer to a first try was lost.
        let is_held = before.is_some_and(|before| before != holder.0.as_bytes());
        Ok(if is_held && ground == Ground::FirstDelivery { Claim::Held } else { Claim::Granted })
    }

    pub(super) async fn renew_claim(&self, run: &RunId, cell: Cell, holder: &Holder) -> Result<bool, StoreError> {
        let mut command = Pipeline::new();
        let set = command.cmd("SET").arg(key::of_cell(run, cell, HOLDER)).arg(&holder.0);
        // A server that has lost its data gets the claim anew; another's claim stands.
        set.arg("EX").arg(CLAIM_EXPIRY.as_secs()).arg("NX").arg("GET");
        let held = self.link.write(command).await?.values.pop().and_then(bytes);
        let is_ours = held.as_deref().is_none_or(|held| held == holder.0.as_bytes());
        if held.is_some() && is_ours {
            let mut command = Pipeline::new();
            command.cmd("EXPIRE").arg(key::of_cell(run, cell, HOLDER)).arg(CLAIM_EXPIRY.as_secs());
            self.link.write(command).await?;
        }
        Ok(is_ours)
    }

    /// Makes the cells that count as finished those that the ledger has, in place of what is known from before: a ledger may
    /// have been lost, or an older copy of it put back. `lanes` has one cell of each model and fold of the run; only the
    /// run's coordinator may say this.
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
        self.link.write(commands).await?;
        Ok(())
    }

    pub(super) async fn release_claim(&self, run: &RunId, cell: Cell, holder: &Holder) -> Result<(), StoreError> {
        let mut command = Pipeline::new();
        command.cmd("EVAL").arg(RELEASE).arg(1).arg(key::of_cell(run, cell, HOLDER)).arg(&holder.0);
        self.link.write(command).await?;
        Ok(())
    }
}

/// Sets a bit as the server counts them: the first is the highest of the first byte.
fn set_bit(bitmap: &mut Vec<u8>, bit: u32) {
    let (byte, bit) = (bit as usize / 8, bit % 8);
    if bitmap.len() <= byte {
        bitmap.resize(byte + 1, 0);
    }
    bitmap[byte] |= 0x80 >> bit;
}
