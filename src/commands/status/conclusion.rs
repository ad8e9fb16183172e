//! What is concluded about a run from what was found: its outlook, its cost, what waits, and what holds it up.

use serde::Serialize;
use valuesim_shared::money::NanoUsd;

/// How fast a run is, and what is left.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(crate) struct Outlook {
    /// Cells finished per second in the last five minutes.
    pub(super) cells_per_second: Option<f64>,
    /// In the last minute.
    pub(super) cells_per_second_last_minute: Option<f64>,
    /// In the ten minutes around an hour ago.
    pub(super) cells_per_second_hour_ago: Option<f64>,
    /// Calls answered per second by the workers of the run, recently.
    pub(super) calls_per_second: f64,
    /// The time until all cells are finished, if it goes on; `None` while nothing finishes.
    pub(super) seconds_left: Option<Range<f64>>,
}

/// What a run costs.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(crate) struct Money {
    /// So far, for finished cells.
    pub(super) spent: NanoUsd,
    /// Whether the prices of all its models are known.
    pub(super) priced: bool,
    /// Per hour, measured over the last hour or since the run began.
    pub(super) per_hour: Option<NanoUsd>,
    /// When all cells are finished.
    pub(super) at_end: Option<Range<NanoUsd>>,
    /// What failed calls may have cost in addition, at most.
    pub(super) wasted_at_most: NanoUsd,
}

/// A lower and an upper bound.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Range<T> {
    pub(super) low: T,
    pub(super) high: T,
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Waiting {
    /// Why.
    pub(super) kind: WaitingKind,
    /// How much waits.
    pub(super) count: u64,
    /// What `count` counts.
    pub(super) of: Counted,
    /// The model that it is about, if it is about one.
    pub(super) model: Option<String>,
    /// What it waits for, in a sentence.
    pub(super) text: String,
    /// How much longer, if that is known.
    pub(super) left_ms: Option<u64>,
}

/// Why something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WaitingKind {
    /// An operator's order.
    Order,
    /// A limit that the user set.
    OwnLimit,
    /// The provider asked for a pause, or does not answer.
    Provider,
    /// The pause before another attempt.
    Retry,
    /// A worker that is free.
    Queue,
    /// A worker left the run for a while.
    Held,
    /// The coordinator, which has to record it.
    Coordinator,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counted {
    Cells,
    Calls,
    Tasks,
    Workers,
}

impl Counted {
    /// The plural.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cells => "cells",
            Self::Calls => "calls",
            Self::Tasks => "tasks",
            Self::Workers => "workers",
        }
    }
}

/// What holds a run up most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Bottleneck {
    /// Where it is.
    pub(super) kind: BottleneckKind,
    /// What it is, in a sentence.
    pub(super) text: String,
}

/// Where a bottleneck is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BottleneckKind {
    /// An operator's order.
    Order,
    /// Broker or store.
    Servers,
    /// There is no coordinator, or it does not keep up with recording cells.
    Coordinator,
    /// There is no worker, or too few.
    Workers,
    /// The provider.
    Provider,
    /// A limit that the user set.
    OwnLimit,
}

impl Bottleneck {
    pub(super) fn new(kind: BottleneckKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}
