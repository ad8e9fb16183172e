//! Health probes and metrics of a process over HTTP: `/healthz`, `/readyz` and `/metrics`.
//!
//! All metrics are declared in [one list](metrics). A process has one [`Registry`], with which its parts register those that
//! they set, and serves it with a [`Listener`]. Labels are resolved in advance, so that calls look up none.

mod connections;
mod health;
mod http_status;
mod listener;
mod metric;
pub mod metrics;
mod process;
mod rate;
mod runtime;
mod server_status;
mod write_deadline;

use std::sync::{Mutex, PoisonError};

pub use connections::ConnectionMetrics;
pub use health::{Health, Probed};
pub use http_status::HttpStatus;
pub use listener::{ListenError, Listener, Router};
pub use metric::{Metric, MetricKind, ServedBy, register};
use process::ProcessMetrics;
pub use process::most_open_files;
pub use prometheus::Registry;
use prometheus::TextEncoder;
pub use rate::Rate;
use runtime::RuntimeMetrics;
pub use server_status::ServerStatus;

/// Histogram buckets for call durations: 10 ms, doubled 16 times. Those of OpenTelemetry for generative AI, and more.
pub const CALL_SECONDS: [f64; 17] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36];

/// The metrics of one process.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    /// Locked while metrics are read, so that concurrent readers do not add the same seconds twice.
    process: Mutex<ProcessMetrics>,
    runtime: RuntimeMetrics,
}

impl Exposition {
    /// The metrics of every process; `role` is `worker` or `coordinator`.
    pub fn new(role: &str) -> Self {
        let registry = Registry::new();
        let process = Mutex::new(ProcessMetrics::new(&registry));
        let runtime = RuntimeMetrics::new(&registry);
        let build = register(&registry, metrics::BUILD_INFO.gauge());
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), role]).set(1);
        Self { registry, process, runtime }
    }

    /// The registry for further metrics.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The current values of all metrics in Prometheus' text format. `refresh` updates the metrics that are not updated
    /// continuously.
    pub fn text(&self, refresh: impl FnOnce()) -> String {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.refresh();
        self.runtime.refresh();
        refresh();
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.unwrap_or_else(|error| unreachable!("registered metrics can be written as text: {error}"))
    }
}
