//! What a chart shows: series, their looks, and values with intervals.

/// A series of a chart: an arm, a baseline, what is published, or the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series {
    /// Its name in the legend.
    pub(crate) label: String,
    /// How it is drawn.
    pub(crate) look: Look,
}

/// How a series is drawn. Shapes differ as well as colours, for print and for eyes that see few colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Look {
    /// An arm that asks a model: a colour and a filled shape, by its place among the arms.
    Arm(usize),
    /// An arm that asks no model: a shade of grey and a filled shape, by its place among these.
    NoModel(usize),
    /// A published figure of an arm: the arm's colour and shape, hollow.
    Published(usize),
    /// What people really answered: the colour of text.
    Truth,
}

/// A value with its interval, if it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Value {
    /// The value.
    pub(crate) value: f64,
    /// The ends of its interval.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Value {
    /// All finite numbers that an axis must show.
    pub(super) fn numbers(self) -> impl Iterator<Item = f64> {
        let ends = self.interval.map(|(lower, upper)| [lower, upper]);
        std::iter::once(self.value).chain(ends.into_iter().flatten())
    }

    /// The value and its interval in words.
    pub(super) fn words(self) -> String {
        let Self { value, interval } = self;
        match interval {
            Some((lower, upper)) => format!("{value:.3} ({lower:.3} to {upper:.3})"),
            None => format!("{value:.3}"),
        }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self { value, interval: None }
    }
}
