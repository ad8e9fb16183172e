//! Whether dispatched cells are lost, and until when these wait to be sent again.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;

use super::Coordinator;

/// What is known of cells that are neither on a queue nor with a worker.
#[derive(Debug, Default)]
pub(super) struct LostCells {
    /// Notified when there are some.
    pub(super) noticed: Notify,
    /// When the pause ends during which they are not sent again.
    pause_ends: Mutex<Option<Instant>>,
}

impl LostCells {
    /// Some were noticed that are not sent again before this time.
    pub(super) fn wait_until(&self, pause_ends: Instant) {
        *self.pause_ends.lock().unwrap_or_else(PoisonError::into_inner) = Some(pause_ends);
    }

    /// Whether some wait for the end of a pause.
    fn wait(&self) -> bool {
        let pause_ends = *self.pause_ends.lock().unwrap_or_else(PoisonError::into_inner);
        pause_ends.is_some_and(|end| Instant::now() < end)
    }
}

impl<Q: Queue, S: Store> Coordinator<Q, S> {
    /// Reports that no dispatched cell is on a queue or with a worker: the open ones are sent again.
    pub fn nothing_is_under_way(&self) {
        self.lost.noticed.notify_one();
    }

    /// Whether lost cells wait for the end of a pause before they are sent again.
    pub fn waits_to_send_again(&self) -> bool {
        self.lost.wait()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lost_cells_wait_for_the_end_of_their_pause() {
        let lost = LostCells::default();
        assert!(!lost.wait());
        lost.wait_until(Instant::now() + Duration::from_secs(5));
        assert!(lost.wait());
        sleep(Duration::from_secs(5)).await;
        assert!(!lost.wait());
    }
}
