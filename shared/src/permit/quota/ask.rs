//! What a worker asks of a quota, and the answer.

use super::slots::Charge;
use crate::permit::token_kinds::{ByTokenKind, TokenCounts, TokenKind};

/// A worker's ask: what it wants, and what came of earlier grants.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// Who asks: a random number of the process.
    pub worker: u64,
    /// The generation of the quota that granted `sent`; `None` before the first answer.
    pub generation: Option<u64>,
    /// By how many milliseconds the keeper's clock has jumped forward against the worker's own.
    pub jumped_ms: u64,
    /// The limits that the user has set.
    pub configured: Configured,
    /// The calls that wait, by run.
    pub wants: &'a [Want<'a>],
    /// What came of calls that were granted earlier.
    pub settlements: &'a [Settled],
    /// The calls that the worker has in flight, those of `wants` not among them.
    pub in_flight: u32,
    /// How many calls the worker may have in flight.
    pub capacity: u32,
    /// What the worker was granted in the last minute, for a quota that has lost its state. Slots are those of `generation`,
    /// at whose time `sent_at` it is now.
    pub sent: &'a [Charge],
    /// What time it is now for `sent`, in milliseconds.
    pub sent_at: u64,
}

/// The limits that the user has set; absent ones are not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Configured {
    /// Calls in any minute.
    pub calls: Option<u64>,
    /// Tokens in any minute.
    pub tokens: ByTokenKind<Option<u64>>,
    /// Calls in flight of all workers together.
    pub in_flight: Option<u64>,
}

/// The waiting calls of one run, in the order in which they are to go.
#[derive(Debug, Clone, Copy)]
pub struct Want<'a> {
    /// The run, by a number that all workers give it.
    pub run: u64,
    /// The run's weight beside others.
    pub weight: u32,
    /// The tokens that each call is expected to use at most.
    pub tokens: &'a [TokenCounts],
}

/// What came of a granted call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The slot in which it was granted.
    pub slot: u64,
    /// The epoch in which it was granted.
    pub epoch: u64,
    /// The tokens that it was expected to use.
    pub expected: TokenCounts,
    /// How it ended.
    pub end: End,
    /// How many milliseconds after its grant.
    pub took_ms: u64,
    /// The limits that the reply's headers state.
    pub stated: Stated,
}

/// How a granted call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was not sent.
    Unsent,
    /// It was answered, or declined for its content. `used` are its tokens, if they are known.
    Answered {
        /// Tokens of prompt and reply.
        used: Option<TokenCounts>,
    },
    /// The provider refused it for a limit.
    Limited {
        /// Which limit, if the provider says so.
        limit: Option<LimitKind>,
        /// How long the provider asks to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// There was no usable answer, or the provider is overloaded.
    Failed {
        /// How long the provider asks to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// It will never be answered, for a reason that does not concern other calls.
    Ended,
    /// Nobody knows.
    Unknown,
}

/// The limits that headers state; absent where they state none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stated {
    /// Calls a minute.
    pub calls: Option<u64>,
    /// Tokens a minute.
    pub tokens: ByTokenKind<Option<u64>>,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Calls a minute.
    Calls,
    /// Tokens of a kind a minute.
    Tokens(TokenKind),
    /// Calls in flight.
    InFlight,
}

/// The answer to an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How many of the calls of each want may go now: the first ones.
    pub granted: Vec<usize>,
    /// The slot in which they were granted.
    pub slot: u64,
    /// The epoch in which they were granted.
    pub epoch: u64,
    /// The quota's generation.
    pub generation: u64,
    /// The quota's time, in milliseconds.
    pub now: u64,
    /// Why no call may go, if all are paused.
    pub paused: Option<Pause>,
    /// The limit for which calls wait, if any of them waits for one.
    pub waits_for: Option<Waited>,
    /// When to ask again, in milliseconds, if calls wait.
    pub come_back_ms: u64,
}

/// A pause of all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// What it is for.
    pub cause: PauseCause,
    /// How much of it is left, in milliseconds.
    pub left_ms: u64,
}

/// What a pause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseCause {
    /// The provider asked for it, or refused a call for its limit.
    Provider,
    /// The provider has stopped answering calls.
    Circuit,
    /// The state of the quota was lost, and workers say what they have sent.
    Recovery,
}

/// A limit for which calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// What is limited.
    pub limit: LimitKind,
    /// The limit in force.
    pub value: u64,
    /// Where the limit comes from.
    pub source: LimitSource,
}

/// Where a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSource {
    /// The user has set it.
    Configured,
    /// The provider's headers state it.
    Stated,
    /// Refusals have taught it.
    Learned,
    /// Nobody knows it yet: the pace of a slow start.
    Ramp,
}
