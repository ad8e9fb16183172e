//! Metrics of the asynchronous runtime.

use prometheus::{IntGauge, Registry};
use tokio::runtime::Handle;

use super::{metrics, register};

#[derive(Debug)]
pub(super) struct RuntimeMetrics {
    workers: IntGauge,
    tasks: IntGauge,
    queue: IntGauge,
}

impl RuntimeMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |metric: &super::Metric| register(registry, metric.gauge()).with_label_values::<&str>(&[]);
        Self {
            workers: gauge(&metrics::RUNTIME_WORKERS),
            tasks: gauge(&metrics::RUNTIME_TASKS),
            queue: gauge(&metrics::RUNTIME_QUEUE),
        }
    }

    /// Updates the metrics, if this is called in a runtime.
    pub(super) fn refresh(&self) {
        let Ok(handle) = Handle::try_current() else { return };
        let of_runtime = handle.metrics();
        let set = |gauge: &IntGauge, count: usize| gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        set(&self.workers, of_runtime.num_workers());
        set(&self.tasks, of_runtime.num_alive_tasks());
        set(&self.queue, of_runtime.global_queue_depth());
    }
}
