//! The port. An office opens a desk for each run, endpoint and model; a desk issues permits; a permit is settled with the
//! outcome of its call.

use std::fmt::Debug;
use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::id::RunId;
use crate::money::{NanoUsd, Tokens};
use crate::stage::Stage;

use super::endpoint::Endpoint;
use super::limits::Limits;
use super::quota::{LimitKind, Stated};
use super::token_kinds::{ByTokenKind, TokenKind};

/// Decides whether a call may be sent now. Nothing else does: every reason to delay a call is behind this port.
pub trait PermitOffice: Clone + Send + Sync + 'static {
    /// One run's handle on an endpoint and model.
    type Desk: PermitDesk;

    /// Opens a run's desk for a model at an endpoint. All open desks of one endpoint and model share their limits and
    /// everything they learn from calls. If they request different limits, the smallest of each kind applies. What they
    /// leave to each other they divide by the runs' shares.
    fn open(&self, run: RunShare<'_>, endpoint: &Endpoint, model: &str, limits: Limits) -> Self::Desk;

    /// How many calls may be in flight at once, summed over all endpoints and models with an open desk.
    fn capacity(&self) -> u32;

    /// What calls are waiting for right now, by endpoint and model.
    fn waits(&self) -> Vec<Wait>;
}

/// One run's handle on an endpoint and model. All clones are the same desk, which closes when the last one is dropped.
pub trait PermitDesk: Clone + Debug + Send + Sync + 'static {
    /// Allows one call.
    type Permit: Permit;

    /// Waits for a turn within the limits of the endpoint and model. Refuses if all its calls are paused. Dropping the
    /// future gives up the turn.
    fn acquire(&self, request: Request) -> impl Future<Output = Result<Self::Permit, Refusal>> + Send;

    /// How many calls to the endpoint and model may be in flight at once, including those of other runs.
    fn capacity(&self) -> u32;
}

/// Allows one call. The call counts as in flight until the permit is dropped. If it is dropped without being settled, the
/// office learns nothing about the outcome of the call.
pub trait Permit: Send + 'static {
    /// Reports the outcome of the call. The call still counts as in flight, because its reply may have to reach the store
    /// first.
    fn settle(&mut self, settlement: Settlement);
}

/// A run, and its share beside other runs.
#[derive(Debug, Clone, Copy)]
pub struct RunShare<'a> {
    /// The run.
    pub run: &'a RunId,
    /// A run with twice the share gets twice as much where both want more than there is.
    pub share: NonZeroU32,
}

impl<'a> RunShare<'a> {
    /// An ordinary run: its share is 1.
    pub const fn ordinary(run: &'a RunId) -> Self {
        Self { run, share: NonZeroU32::MIN }
    }
}

/// The call for which a permit is requested.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The stage that makes it.
    pub stage: Stage,
    /// The tokens that it is expected to use.
    pub expected: Tokens,
    /// The most that it can cost.
    pub at_most: NanoUsd,
    /// Whether other calls wait for this one: it takes its place in flight before them.
    pub goes_ahead: bool,
}

/// Why a call may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// All calls to the endpoint and model are paused.
    NotNow {
        /// What the pause is for.
        reason: Reason,
        /// How much of the pause is left.
        left: Duration,
    },
}

/// Why calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A limit that the user set is reached.
    OwnLimit(OwnLimit),
    /// A limit of the provider is reached, as its headers state it or its refusals have taught it.
    ProviderLimit(OwnLimit),
    /// No limit is known, and the pace grows until one is found. The pace in requests a minute.
    SlowStart(u32),
    /// The store lost what it knew of the calls, and workers say what they have sent.
    Recovering,
    /// The provider asked for a pause.
    Cooldown,
    /// The provider has stopped answering calls.
    CircuitOpen,
    /// This process was frozen, and now finds out whether it has lost its connections or leases.
    Stalled,
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnLimit {
    /// Calls in flight at the same time, of this process or of all workers together.
    CallsInFlight(u32),
    /// Requests in any minute.
    RequestsPerMinute(u32),
    /// Tokens in any minute.
    TokensPerMinute(TokenKind, u32),
}

/// What the calls to an endpoint and model wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The model's name.
    pub model: String,
    /// Why the calls wait.
    pub reason: Reason,
    /// How long they still have to wait. `None` for limits, where it depends on other calls.
    pub left: Option<Duration>,
}

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// How it ended.
    pub end: CallEnd,
    /// The tokens that it used, if the provider reported them.
    pub usage: Option<Tokens>,
    /// How long the provider asks callers to wait, if it does.
    pub retry_after: Option<Duration>,
    /// The limit for which the provider refused the call, if it says so.
    pub limited_by: Option<LimitKind>,
    /// The limits that the provider states.
    pub stated: Stated,
}

/// How a call ended, as far as that matters to later calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// The provider replied.
    Answered,
    /// The provider declined this prompt: it is too long, or violates a policy.
    Declined,
    /// The provider's rate limit is reached.
    RateLimited,
    /// The provider is overloaded.
    Overloaded,
    /// There was no usable answer: no connection, no answer in time, or a failure of the provider or of a proxy before it.
    Unanswered,
    /// The provider will answer no call like this one: a wrong key, an empty account, an unknown model or field.
    Rejected,
}

impl Settlement {
    /// The settlement of an answered call. `usage` is what the provider reported, or else what was counted; `None` if neither is known.
    pub const fn answered(usage: Option<Tokens>) -> Self {
        Self { usage, ..Self::failed(CallEnd::Answered, None) }
    }

    /// The settlement of any other call.
    pub const fn failed(end: CallEnd, retry_after: Option<Duration>) -> Self {
        let tokens = ByTokenKind { all: None, input: None, uncached: None, output: None };
        let stated = Stated { calls: None, tokens };
        Self { end, usage: None, retry_after, limited_by: None, stated }
    }

    /// Adds the limits that the provider states.
    #[must_use]
    pub const fn stating(self, stated: Stated) -> Self {
        Self { stated, ..self }
    }

    /// Adds the limit for which the provider refused the call.
    #[must_use]
    pub const fn limited_by(self, limited_by: Option<LimitKind>) -> Self {
        Self { limited_by, ..self }
    }
}
