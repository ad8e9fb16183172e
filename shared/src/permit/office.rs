//! The port: an office opens a desk for each run, endpoint and model; a desk grants permits; a permit is settled with what
//! came of its call.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use crate::id::RunId;
use crate::money::{NanoUsd, Tokens};
use crate::stage::Stage;

use super::endpoint::Endpoint;
use super::limits::Limits;

/// Decides whether a call may go out now. Nothing else does: whatever speaks against a call stands behind this port.
pub trait PermitOffice: Clone + Send + Sync + 'static {
    /// Where one run asks for permits for one model.
    type Desk: PermitDesk;

    /// Opens the desk of a run for a model at an endpoint. All open desks of one endpoint and model share what they know
    /// and what they may use. Where they name different limits, the smallest of each kind holds.
    fn open(&self, run: &RunId, endpoint: &Endpoint, model: &str, limits: Limits) -> Self::Desk;

    /// How many calls may be in flight at once at all endpoints and models with an open desk.
    fn capacity(&self) -> u32;

    /// What calls wait for at this moment, by endpoint and model.
    fn waits(&self) -> Vec<Wait>;
}

/// A run's way to permits for one endpoint and model. Clones are the same desk; it is closed when the last is dropped.
pub trait PermitDesk: Clone + Debug + Send + Sync + 'static {
    /// Leave to make one call.
    type Permit: Permit;

    /// Waits for its turn within the limits of the endpoint and model; refuses while something else keeps all calls back.
    /// Dropping the future gives up the turn.
    fn acquire(&self, request: Request) -> impl Future<Output = Result<Self::Permit, Refusal>> + Send;

    /// How many calls may be in flight at once, those of other runs included.
    fn capacity(&self) -> u32;
}

/// Leave to make one call. The call counts as in flight until this is dropped; if it was not settled by then, nothing is
/// known of what came of it.
pub trait Permit: Send + 'static {
    /// Says what came of the call. It still counts as in flight: its reply may have to reach the store first.
    fn settle(&mut self, settlement: Settlement);
}

/// What a caller wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// What the call is for.
    pub stage: Stage,
    /// Tokens that the call is expected to use.
    pub expected: Tokens,
    /// The most that it can cost.
    pub at_most: NanoUsd,
}

/// Why a call may not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// All calls to the endpoint and model are kept back.
    NotNow {
        /// Why.
        reason: Reason,
        /// For so long.
        left: Duration,
    },
}

/// What keeps calls waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A limit that the user set is used up.
    OwnLimit(OwnLimit),
    /// The provider asked for a pause.
    Cooldown,
    /// The provider answers no call at all.
    CircuitOpen,
    /// This process stood still and first hears what it missed.
    Stalled,
}

/// A limit that the user set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnLimit {
    /// Calls under way at the same time.
    CallsInFlight(u32),
    /// Requests in any minute.
    RequestsPerMinute(u32),
    /// Tokens in any minute.
    TokensPerMinute(u32),
}

/// What the calls to an endpoint and model wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Where they would go.
    pub endpoint: Endpoint,
    /// The model's name.
    pub model: String,
    /// Why they wait.
    pub reason: Reason,
    /// For how long still; none for limits, where it depends on other calls.
    pub left: Option<Duration>,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// How it ended.
    pub end: CallEnd,
    /// Tokens that it used, where the provider reported them.
    pub usage: Option<Tokens>,
    /// For how long the provider wants no calls, where it said so.
    pub retry_after: Option<Duration>,
}

/// How a call ended, as far as it tells something about the calls to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// With a reply.
    Answered,
    /// With a no to its prompt: too long, or against the provider's policy.
    Declined,
    /// The rate limit is reached.
    RateLimited,
    /// The provider has too much to do.
    Overloaded,
    /// With no usable answer: no connection, no answer in time, a fault of the provider, or of a proxy before it.
    Unanswered,
    /// Nobody's calls will be answered: a wrong key, an empty account, a model or field that the provider does not know.
    Rejected,
}

impl Settlement {
    /// The call was answered and used so many tokens, where that is known.
    pub const fn answered(usage: Option<Tokens>) -> Self {
        Self { end: CallEnd::Answered, usage, retry_after: None }
    }

    /// The call ended otherwise.
    pub const fn failed(end: CallEnd, retry_after: Option<Duration>) -> Self {
        Self { end, usage: None, retry_after }
    }
}
