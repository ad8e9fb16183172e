//! Since when a worker has room for a task of a model, and none has come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Whether a model's loop waits for a delivery.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    since: Mutex<Option<Instant>>,
}

impl Ear {
    /// Waits until the guard is dropped.
    pub(crate) fn listen(&self) -> Listening<'_> {
        *self.since() = Some(Instant::now());
        Listening(self)
    }

    pub(crate) fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waiting for a delivery. Ends with any news: a worker that finishes tasks is at work.
pub(crate) struct Listening<'a>(&'a Ear);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        *self.0.since() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_wait_counts_from_its_own_beginning() {
        let ear = Ear::default();
        let waited = || ear.since().map(|since| since.elapsed());
        assert_eq!(waited(), None);
        let listening = ear.listen();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(waited(), Some(Duration::from_secs(5)));
        drop(listening);
        assert_eq!(waited(), None);
        let _listening = ear.listen();
        assert_eq!(waited(), Some(Duration::ZERO));
    }
}
