//! How patient a worker is: the deadlines of a call, and the waits between two attempts.

use std::time::Duration;

use crate::provider::Deadlines;

/// How patient a worker is with a provider.
#[derive(Debug, Default, Clone, Copy)]
pub struct Timeouts {
    /// How long one attempt may take.
    pub deadlines: Deadlines,
    /// How long to wait before the next.
    pub waits: Waits,
    /// How long a task may be kept.
    pub keeping: Keeping,
}

/// How long a task may be kept; for ever, where nothing is said.
#[derive(Debug, Default, Clone, Copy)]
pub struct Keeping {
    /// After so long its calls in flight are finished and it is handed back: brokers end what is held for too long.
    pub at_most: Option<Duration>,
    /// So long the calls in flight of a task may take that is to be handed back; then they are given up.
    pub grace: Option<Duration>,
}

/// Ceilings of the waits between two attempts: doubling from the first to the longest.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// Before the second attempt.
    pub first: Duration,
    /// Before late attempts.
    pub longest: Duration,
}

impl Default for Waits {
    /// The official client's first ceiling; the longest is for a call that fails while others are answered. Where none is,
    /// the provider is down and all are held, for a quarter of it at most.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_mins(1) }
    }
}
