//! Leases of cells: which attempt works on which cell, so that a copy of a task costs nothing.

use redis::{Pipeline, Value};

use super::RedisStore;
use super::names::{OWNER, bytes, finished_key};
use crate::id::{Cell, RunId};
use crate::redis_connection::key;
use crate::store::{LEASE_EXPIRY, Lease, LeaseReason, Owner, StoreError};

/// Removes a lease if it is still the owner's, in one step, so that nobody else's lease is removed.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end return 0";

/// How long a lease without an expiry still lasts once it is noticed.
const FORGED_LEASE_SECONDS: u64 = 1;

impl RedisStore {
    pub(super) async fn try_lease(
        &self,
        run: &RunId,
        cell: Cell,
        owner: &Owner,
        reason: LeaseReason,
    ) -> Result<Lease, StoreError> {
        let mut commands = Pipeline::new();
        // A lease is written with its expiry. One without was not written by this program, and would bar the cell for ever.
        let owner_key = key::of_cell(run, cell, OWNER);
        commands.cmd("EXPIRE").arg(&owner_key).arg(FORGED_LEASE_SECONDS).arg("NX");
        commands.cmd("GETBIT").arg(finished_key(run, cell)).arg(cell.respondent.row());
        let set = commands.cmd("SET").arg(&owner_key).arg(&owner.0);
        set.arg("EX").arg(LEASE_EXPIRY.as_secs()).arg("GET");
        if reason == LeaseReason::FirstDelivery {
            set.arg("NX");
        }
        let mut answers = self.connection.write(commands).await?.values;
        let before = answers.pop().and_then(bytes);
        if answers.pop() == Some(Value::Int(1)) {
            self.remove_lease(run, cell, owner).await?;
            return Ok(Lease::Finished);
        }
        // The owner's own name is there if the answer to a first try was lost.
        let had_another_owner = before.is_some_and(|before| before != owner.0.as_bytes());
        let is_refused = had_another_owner && reason == LeaseReason::FirstDelivery;
        Ok(if is_refused { Lease::HeldByAnother } else { Lease::Granted })
    }

    pub(super) async fn extend_lease(&self, run: &RunId, cell: Cell, owner: &Owner) -> Result<bool, StoreError> {
        let mut command = Pipeline::new();
        let set = command.cmd("SET").arg(key::of_cell(run, cell, OWNER)).arg(&owner.0);
        // On a server that has lost its data this makes a new lease; another owner's lease stays.
        set.arg("EX").arg(LEASE_EXPIRY.as_secs()).arg("NX").arg("GET");
        let before = self.connection.write(command).await?.values.pop().and_then(bytes);
        let is_ours = before.as_deref().is_none_or(|before| before == owner.0.as_bytes());
        if before.is_some() && is_ours {
            let mut command = Pipeline::new();
            command.cmd("EXPIRE").arg(key::of_cell(run, cell, OWNER)).arg(LEASE_EXPIRY.as_secs());
            self.connection.write(command).await?;
        }
        Ok(is_ours)
    }

    pub(super) async fn remove_lease(&self, run: &RunId, cell: Cell, owner: &Owner) -> Result<(), StoreError> {
        let mut command = Pipeline::new();
        command.cmd("EVAL").arg(RELEASE).arg(1).arg(key::of_cell(run, cell, OWNER)).arg(&owner.0);
        self.connection.write(command).await?;
        Ok(())
    }
}
