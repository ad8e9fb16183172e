//! What workers keep between tasks: a port that a folder of files and a Redis server implement.
//!
//! Losing all of it does no harm to the results, but the calls it tells of have to be made again. Only the ledger must be
//! kept.

mod embedded;
mod journal;
mod redis;

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{Cell, RunId};
use crate::outcome::{CellSpend, Ended, StageSpend, UncertainSpend};
use crate::redis_connection::RedisConnectionError;

pub use crate::call::{CallKey, Rejection, Remark, ReplyText};
pub use embedded::EmbeddedStore;
pub use redis::RedisStore;

/// A call's reply as it is kept until the cell is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedReply {
    /// What came back.
    pub reply: ReplyText,
    /// What it cost, including retries.
    pub spend: StageSpend,
    /// Failed requests of `spend` that the provider may have billed.
    pub perhaps_billed: u64,
    /// The model as the provider named it; empty if it did not.
    pub reported_model: String,
    /// What else is remembered of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
}

/// How often a call was sent by any worker, and how often it is known to have failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentCall {
    /// How often it was sent.
    pub times: u64,
    /// What one request may have used.
    pub each: UncertainSpend,
    /// Requests whose failure was seen.
    pub failed: u64,
    /// Failed requests that the provider may have billed.
    pub perhaps_billed: u64,
}

/// What is known of a cell's calls so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CellRecord {
    /// The replies that are kept.
    pub replies: HashMap<CallKey, RecordedReply>,
    /// How often each call was sent.
    pub sent: HashMap<CallKey, SentCall>,
}

/// A cell's backstory and what writing it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backstory {
    /// The narrative; empty if the model gave none.
    pub text: String,
    /// How asking for it ended.
    pub ended: Ended,
    /// How often the model was asked.
    pub asked: u8,
    /// What it took.
    pub spend: CellSpend,
    /// What the provider said where it did not take the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
}

/// Who works on a cell: a name that no other attempt at a task has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(pub String);

/// What came of asking for the lease of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// Whoever asked has the lease.
    Granted,
    /// Another attempt has it, or had it until a moment ago.
    HeldByAnother,
    /// The cell's outcome is in the ledger: there is nothing left to do.
    Finished,
}

/// Why a lease is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseReason {
    /// The task was delivered for the first time. It may be a copy of one that another attempt works on.
    FirstDelivery,
    /// The task was delivered before: the queue has taken it from whoever had it.
    TakeOver,
}

/// How long a lease lasts unless it is renewed.
pub const LEASE_EXPIRY: Duration = Duration::from_mins(1);

/// Why a store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file or the server failed.
    #[error("{action} the store {place}: {reason}")]
    Failed {
        /// What failed: `open`, `write to`, `read`.
        action: &'static str,
        /// Which store.
        place: String,
        /// What the database said.
        reason: String,
    },
    /// Another process has the store open.
    #[error("the store {place} is in use by another process: wait for it to end, or use another runs folder")]
    InUse {
        /// Which store.
        place: String,
    },
    /// What is stored cannot be read back.
    #[error(
        "the store {place} holds something unreadable for {what}: {reason}; delete it to go on (finished cells are in the ledger)"
    )]
    Unreadable {
        /// Which store.
        place: String,
        /// What was looked up.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refused, or is not a Redis server of the right kind.
    #[error(transparent)]
    Server(#[from] RedisConnectionError),
}

/// Keeps manifests, backstories, and the replies of cells under way.
///
/// A write survives the end of this process once it has returned, and a crash of the machine that stores it a few
/// milliseconds later; a manifest and a backstory survive both once the write has returned. Replies are not waited for. The
/// writes about calls become durable in the order in which this process begins them (in which the futures are first
/// polled), so a write is durable once any later one is.
pub trait Store: Clone + Send + Sync + 'static {
    /// Keeps a run's manifest.
    fn put_manifest(&self, run: &RunId, manifest: &[u8]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A run's manifest, if it is kept.
    fn manifest(&self, run: &RunId) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Keeps a cell's backstory unless it has one. If two workers write one, the first stays and both read it.
    fn put_backstory(
        &self,
        run: &RunId,
        cell: Cell,
        story: &Backstory,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A cell's backstory, if it is kept.
    fn backstory(&self, run: &RunId, cell: Cell) -> impl Future<Output = Result<Option<Backstory>, StoreError>> + Send;

    /// Notes that a call is about to be sent, so that it counts even if nobody sees how it ends.
    fn note_sent(
        &self,
        run: &RunId,
        cell: Cell,
        key: CallKey,
        each: &UncertainSpend,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that a request has failed, and whether the provider may have billed it all the same.
    fn note_failed(
        &self,
        run: &RunId,
        cell: Cell,
        key: CallKey,
        perhaps_billed: bool,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Begins to write the reply to one call of a cell; the first reply to a call stays. It is durable once any later write, or
    /// [`settle`](Self::settle), has succeeded. If it cannot be written, this call or one of those returns the error.
    fn record_reply(&self, run: &RunId, cell: Cell, key: CallKey, reply: &RecordedReply) -> Result<(), StoreError>;

    /// Waits until everything that this process has written about calls is durable.
    fn settle(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What is known of a cell's calls; empty if nobody has begun the cell.
    fn cell_record(&self, run: &RunId, cell: Cell) -> impl Future<Output = Result<CellRecord, StoreError>> + Send;

    /// Keeps the parts of an outcome that is too long for a message, until the cell is [forgotten](Self::forget). `digest` tells
    /// them from other outcomes of the cell. A store of one process does not need it: its queue takes any message.
    fn put_outcome_parts(
        &self,
        _run: &RunId,
        _cell: Cell,
        _digest: &str,
        _parts: &[Bytes],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// As many parts of an outcome as there are, in their order, up to `count`.
    fn outcome_parts(
        &self,
        _run: &RunId,
        _cell: Cell,
        _digest: &str,
        _count: u32,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, StoreError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Asks for the lease of a cell, so that two copies of a task are not worked on at the same time. It lasts for
    /// [`LEASE_EXPIRY`] from now and from each [renewal](Self::renew_lease). A store that has lost its data, or that other
    /// processes do not share, may grant it twice, which costs calls and changes no result.
    fn acquire_lease(
        &self,
        _run: &RunId,
        _cell: Cell,
        _owner: &Owner,
        _reason: LeaseReason,
    ) -> impl Future<Output = Result<Lease, StoreError>> + Send {
        std::future::ready(Ok(Lease::Granted))
    }

    /// Renews the owner's lease of a cell; returns `false` if another owner has it now.
    fn renew_lease(
        &self,
        _run: &RunId,
        _cell: Cell,
        _owner: &Owner,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        std::future::ready(Ok(true))
    }

    /// Gives the owner's lease of a cell back; another owner's lease stays.
    fn release_lease(
        &self,
        _run: &RunId,
        _cell: Cell,
        _owner: &Owner,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Says which cells the ledger has, so that no worker begins them: `finished` and no others, of all models and folds of
    /// which `first_of_each` has a cell. It replaces what the store knew, because a ledger may have been lost or put back
    /// from an older copy; only the run's coordinator may say it. A store of one process does not need it.
    fn put_finished(
        &self,
        _run: &RunId,
        _first_of_each: impl Iterator<Item = Cell> + Send,
        _finished: impl Iterator<Item = Cell> + Send,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Lets what is kept for a run expire, because the run has ended.
    fn expire_run(&self, _run: &RunId) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Removes everything kept for a cell, because its outcome is in the ledger.
    fn forget(&self, run: &RunId, cell: Cell) -> impl Future<Output = Result<(), StoreError>> + Send;
}
