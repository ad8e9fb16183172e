//! A figure with its bounds.

use serde::Serialize;

/// A figure that is not known exactly in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span<T> {
    /// At least.
    pub low: T,
    /// Probably.
    pub likely: T,
    /// At most.
    pub high: T,
}

impl<T: Copy> Span<T> {
    pub(super) fn exactly(value: T) -> Self {
        Self { low: value, likely: value, high: value }
    }

    /// The same with an amount on top of each.
    #[must_use]
    pub fn plus(self, amount: T) -> Self
    where
        T: std::ops::Add<Output = T>,
    {
        self.map(|value| value + amount)
    }

    pub(super) fn map<U>(self, f: impl Fn(T) -> U) -> Span<U> {
        Span { low: f(self.low), likely: f(self.likely), high: f(self.high) }
    }
}
