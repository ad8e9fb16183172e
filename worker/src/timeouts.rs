//! The timeouts of a worker: the deadlines of a call, the backoff between attempts, and how long a task may be held.

use std::time::Duration;

use crate::provider::Deadlines;

/// The timeouts of a worker.
#[derive(Debug, Default, Clone, Copy)]
pub struct Timeouts {
    /// How long one attempt may take.
    pub deadlines: Deadlines,
    /// How long to wait before the next attempt.
    pub backoff: Backoff,
    /// How long a task may be held.
    pub hold_limits: HoldLimits,
}

/// How long a task may be held. Without a limit, forever.
#[derive(Debug, Default, Clone, Copy)]
pub struct HoldLimits {
    /// After this long, the worker finishes a task's calls in flight and hands the task back: brokers close connections
    /// that hold a delivery for too long.
    pub max_hold: Option<Duration>,
    /// How long the calls in flight may then take before they are abandoned.
    pub grace: Option<Duration>,
}

/// The ceilings of the delays between two attempts, which double from the first to the longest.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The ceiling before the second attempt.
    pub first: Duration,
    /// The upper bound of all ceilings.
    pub longest: Duration,
}

impl Default for Backoff {
    /// The first ceiling is that of OpenAI's client. The longest is for a call that fails while others are answered. If none
    /// is answered, the circuit breaker pauses all calls, for at most a quarter of it.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_mins(1) }
    }
}
