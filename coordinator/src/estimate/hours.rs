//! In which hours the calls of a run are made, and what a call costs in them.

use std::time::{Duration, SystemTime};

use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::price::{OverHours, Price};

use super::span::Span;

/// When the calls of a run are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallHours {
    /// From this moment on, at any hour.
    From(SystemTime),
    /// From this moment on, but in the hours of the week alone in which the model costs least.
    CheapestFrom(SystemTime),
}

impl CallHours {
    /// From the same moment on, at any hour.
    #[must_use]
    pub const fn any(self) -> Self {
        Self::From(self.begin())
    }

    /// The moment from which calls may be made.
    pub const fn begin(self) -> SystemTime {
        match self {
            Self::From(begin) | Self::CheapestFrom(begin) => begin,
        }
    }

    /// What one call with these tokens costs in a run whose calls take so long: in the cheapest of its hours, on average over them,
    /// and in the dearest.
    pub(super) fn cost(self, price: &Price, tokens: Tokens, takes: Duration) -> Span<NanoUsd> {
        match self {
            Self::From(begin) => {
                let OverHours { cheapest, average, dearest } = price.over_hours(tokens, begin, takes);
                Span { low: cheapest, likely: average, high: dearest }
            }
            Self::CheapestFrom(begin) => Span::exactly(price.in_cheapest_hours(tokens, begin)),
        }
    }
}
