//! Declares a metric: its name, type, labels and meaning, and which processes serve it.

use std::fmt;

use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, Result as Valid,
};

/// Why a metric that is declared can be created and registered, for `expect`.
const REGISTERS: &str = "declared metrics have valid names, and a process registers each once";

/// What is declared of a metric, in [the one list](super::metrics::ALL).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without the suffixes of a histogram's series.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// The names of its labels, without `le`.
    pub labels: &'static [&'static str],
    /// What it says, with its unit: a sentence.
    pub help: &'static str,
    /// Which processes serve it.
    pub served_by: ServedBy,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations up to each of some bounds.
    Histogram,
}

/// Which processes serve a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedBy {
    /// `work`, `coordinate`, and `run` with `--listen`.
    All,
    /// `work` and `coordinate`, which use servers.
    Fleet,
    /// `work`, and `run` with `--listen`: what this process does.
    Worker,
    /// `coordinate`, and `run` with `--listen`: how the whole run is.
    Coordinator,
}

impl fmt::Display for MetricKind {
    /// As in Prometheus' text format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

impl fmt::Display for ServedBy {
    /// The verbs that serve it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::All => "coordinate, work, run",
            Self::Fleet => "coordinate, work",
            Self::Worker => "work, run",
            Self::Coordinator => "coordinate, run",
        })
    }
}

/// Each creates the metric; it is served once it is [registered](register).
///
/// # Panics
/// When the declaration is wrong: an invalid name, or another type than the method's.
impl Metric {
    /// A counter of whole things.
    pub fn counter(&self) -> IntCounterVec {
        self.create(MetricKind::Counter, |opts| IntCounterVec::new(opts, self.labels))
    }

    /// A counter of fractions.
    pub fn fractional_counter(&self) -> CounterVec {
        self.create(MetricKind::Counter, |opts| CounterVec::new(opts, self.labels))
    }

    /// A gauge of whole things.
    pub fn gauge(&self) -> IntGaugeVec {
        self.create(MetricKind::Gauge, |opts| IntGaugeVec::new(opts, self.labels))
    }

    /// A gauge of fractions.
    pub fn fractional_gauge(&self) -> GaugeVec {
        self.create(MetricKind::Gauge, |opts| GaugeVec::new(opts, self.labels))
    }

    /// A histogram with buckets up to each of the ascending `bounds`.
    pub fn histogram(&self, bounds: &[f64]) -> HistogramVec {
        let with_bounds = |opts| HistogramOpts { common_opts: opts, buckets: bounds.to_vec() };
        self.create(MetricKind::Histogram, |opts| HistogramVec::new(with_bounds(opts), self.labels))
    }

    fn create<M>(&self, kind: MetricKind, create: impl FnOnce(Opts) -> Valid<M>) -> M {
        assert_eq!(self.kind, kind, "{} is declared otherwise", self.name);
        create(Opts::new(self.name, self.help)).expect(REGISTERS)
    }
}

/// Has a process serve a metric; returns it.
///
/// # Panics
/// When the process serves it already.
pub fn register<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> M {
    registry.register(Box::new(metric.clone())).expect(REGISTERS);
    metric
}
