//! Counts the confirmations of published messages.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

use crate::telemetry::REGISTERS;

/// Upper bounds of the histogram of confirmation times: a local broker takes a millisecond or two, one with a slow disk
/// tenths of a second, and after 30 s the message is sent again.
const CONFIRM_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0, 30.0];

/// The publishing side of one connection to the broker.
#[derive(Debug, Clone)]
pub(super) struct PublishMetrics {
    published: IntCounterVec,
    confirm: Histogram,
    pub(super) safe: IntCounter,
    pub(super) refused: IntCounter,
    pub(super) returned: IntCounter,
    pub(super) late: IntCounter,
}

impl PublishMetrics {
    pub(super) fn new() -> Self {
        let help = "Messages sent to RabbitMQ, by its answer: ack, nack, returned (no such queue), timeout.";
        let opts = Opts::new("valuesim_queue_publish_total", help);
        let published = IntCounterVec::new(opts, &["outcome"]).expect(REGISTERS);
        let help = "From sending a message to RabbitMQ's answer.";
        let opts = HistogramOpts::new("valuesim_queue_confirm_seconds", help).buckets(CONFIRM_SECONDS.into());
        let [safe, refused, returned, late] =
            ["ack", "nack", "returned", "timeout"].map(|outcome| published.with_label_values(&[outcome]));
        let confirm = Histogram::with_opts(opts).expect(REGISTERS);
        Self { published, confirm, safe, refused, returned, late }
    }

    /// Counts an answer of the broker and how long it took.
    pub(super) fn answered(&self, after: Duration) {
        self.confirm.observe(after.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &Registry) {
        let all: [Box<dyn Collector>; 2] = [Box::new(self.published.clone()), Box::new(self.confirm.clone())];
        for metric in all {
            registry.register(metric).expect(REGISTERS);
        }
    }
}
