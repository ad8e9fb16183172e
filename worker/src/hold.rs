//! Leaves a provider alone for as long as it asks: a moment for each model, before which nothing is sent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::id::ModelId;

use crate::worker::Worker;

/// What a provider said to one call holds for all calls to the model.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    until: Mutex<Option<Instant>>,
}

impl Hold {
    /// Nothing is to be sent for so long; a hold that ends later stands.
    pub(crate) fn at_least(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut held = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (*held).max(Some(until));
    }

    /// How long nothing is to be sent.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until = (*self.until.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

impl<Q, S, O> Worker<Q, S, O> {
    /// How long a model is still left alone, because its provider asked for it.
    pub fn held(&self, model: ModelId) -> Option<Duration> {
        self.shared.holds[model.0 as usize].left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_hold_stands_until_it_is_over() {
        let hold = Hold::default();
        assert_eq!(hold.left(), None);
        hold.at_least(Duration::from_secs(5));
        hold.at_least(Duration::from_secs(2));
        assert_eq!(hold.left(), Some(Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(hold.left(), None);
    }
}
