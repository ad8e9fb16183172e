//! Leaves a provider alone: a moment for each model, before which nothing is sent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::id::ModelId;

use crate::worker::Worker;

/// Why a model is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its provider said so to one call.
    ProviderAsks,
    /// Its provider answers nobody.
    ProviderDown,
    /// This process stood still, and listens first.
    StoodStill,
}

/// What one call is told holds for all calls to the model.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    until: Mutex<Option<(Instant, Why)>>,
}

impl Hold {
    /// Nothing is to be sent for so long; a hold that ends later stands.
    pub(crate) fn at_least(&self, wait: Duration, why: Why) {
        let until = Instant::now() + wait;
        let mut held = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none_or(|(longest, _)| longest < until) {
            *held = Some((until, why));
        }
    }

    /// How long nothing is to be sent, and why.
    pub(crate) fn left(&self) -> Option<(Duration, Why)> {
        let (until, why) = (*self.until.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((left, why))
    }
}

impl<Q, S, O> Worker<Q, S, O> {
    /// How long a model is still left alone, and why.
    pub fn held(&self, model: ModelId) -> Option<(Duration, Why)> {
        self.context.holds[model.0 as usize].left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_hold_stands_until_it_is_over() {
        let hold = Hold::default();
        assert_eq!(hold.left(), None);
        hold.at_least(Duration::from_secs(5), Why::ProviderAsks);
        hold.at_least(Duration::from_secs(2), Why::StoodStill);
        assert_eq!(hold.left(), Some((Duration::from_secs(5), Why::ProviderAsks)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(hold.left(), None);
    }
}
