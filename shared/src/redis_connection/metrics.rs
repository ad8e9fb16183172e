//! Counts what the server answers, and how fast.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounterVec, Registry};

use super::error::Failure;
use crate::telemetry::{metrics, register};

/// Upper bounds of the histogram of answer times in seconds: a local server takes a tenth of a millisecond, one that forks a
/// second or two, and after 5 s the commands are sent again.
const ANSWER_SECONDS: [f64; 12] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The commands of one connection.
#[derive(Debug)]
pub(super) struct CommandMetrics {
    durations: HistogramVec,
    duration: Histogram,
    errors: IntCounterVec,
}

impl CommandMetrics {
    pub(super) fn new() -> Self {
        let durations = metrics::STORE_SECONDS.histogram(&ANSWER_SECONDS);
        let duration = durations.with_label_values::<&str>(&[]);
        Self { durations, duration, errors: metrics::STORE_ERRORS.counter() }
    }

    pub(super) fn register(&self, registry: &Registry) {
        register(registry, self.durations.clone());
        register(registry, self.errors.clone());
    }

    /// Counts commands that were sent together, once they are answered or lost.
    pub(super) fn ended(&self, after: Duration, failure: Option<&Failure>) {
        self.duration.observe(after.as_secs_f64());
        let Some(failure) = failure else { return };
        let kind = match failure {
            Failure::Lost(_) => "lost",
            Failure::Passing(_) => "refused",
            Failure::Final(_) => "permanent",
        };
        self.errors.with_label_values(&[kind]).inc();
    }
}
