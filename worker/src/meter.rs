//! What this process has done so far, for progress displays: counts that only grow, and the last trouble.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::StageSpend;

/// Counts of one process. All methods are cheap and may be called from any thread.
#[derive(Debug, Default)]
pub struct Meter {
    backstories: AtomicU64,
    predictions: AtomicU64,
    sent: AtomicU64,
    ended: AtomicU64,
    failed: AtomicU64,
    input: AtomicU64,
    cached: AtomicU64,
    output: AtomicU64,
    cost: AtomicU64,
    trouble: Mutex<Option<String>>,
}

/// The counts at one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Backstories written.
    pub backstories: u64,
    /// Predictions made, all arms together.
    pub predictions: u64,
    /// Requests that went over the wire.
    pub sent: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Tokens that providers reported.
    pub tokens: Tokens,
    /// What they cost.
    pub cost: NanoUsd,
    /// What the last failure was about, while it lasts.
    pub trouble: Option<String>,
}

impl Meter {
    /// The counts now.
    pub fn read(&self) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended = get(&self.ended);
        let sent = get(&self.sent);
        Reading {
            backstories: get(&self.backstories),
            predictions: get(&self.predictions),
            sent,
            in_flight: sent.saturating_sub(ended),
            failed: get(&self.failed),
            tokens: Tokens { input: get(&self.input), cached: get(&self.cached), output: get(&self.output) },
            cost: NanoUsd(get(&self.cost)),
            trouble: self.trouble().clone(),
        }
    }

    pub(crate) fn backstory_written(&self) {
        self.backstories.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn predictions_made(&self, count: usize) {
        self.predictions.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn call_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// A reply came; whatever the trouble was, it is over.
    pub(crate) fn call_answered(&self, spend: &StageSpend) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.input.fetch_add(spend.tokens.input, Ordering::Relaxed);
        self.cached.fetch_add(spend.tokens.cached, Ordering::Relaxed);
        self.output.fetch_add(spend.tokens.output, Ordering::Relaxed);
        self.cost.fetch_add(spend.cost.0, Ordering::Relaxed);
        if self.trouble().is_some() {
            *self.trouble() = None;
        }
    }

    pub(crate) fn call_failed(&self, trouble: &str) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed);
        *self.trouble() = Some(trouble.to_owned());
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
