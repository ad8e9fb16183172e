//! Counts the confirmations of published messages.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry};

use crate::telemetry::{metrics, register};

/// Upper bounds of the histogram of confirmation times: a local broker takes a millisecond or two, one with a slow disk
/// tenths of a second, and after 30 s the message is sent again.
const CONFIRM_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0, 30.0];

/// The publishing side of one connection to the broker.
#[derive(Debug, Clone)]
pub(super) struct PublishMetrics {
    published: IntCounterVec,
    confirms: HistogramVec,
    confirm: Histogram,
    pub(super) safe: IntCounter,
    pub(super) refused: IntCounter,
    pub(super) returned: IntCounter,
    pub(super) late: IntCounter,
}

impl PublishMetrics {
    pub(super) fn new() -> Self {
        let published = metrics::QUEUE_PUBLISHED.counter();
        let confirms = metrics::QUEUE_CONFIRM_SECONDS.histogram(&CONFIRM_SECONDS);
        let [safe, refused, returned, late] =
            ["ack", "nack", "returned", "timeout"].map(|outcome| published.with_label_values(&[outcome]));
        let confirm = confirms.with_label_values::<&str>(&[]);
        Self { published, confirms, confirm, safe, refused, returned, late }
    }

    /// Counts an answer of the broker and how long it took.
    pub(super) fn answered(&self, after: Duration) {
        self.confirm.observe(after.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &Registry) {
        register(registry, self.published.clone());
        register(registry, self.confirms.clone());
    }
}
