//! Carries out what operators order for a run: pause, go on, end.

use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{Control, DesiredState, Order};
use valuesim_shared::queue::QueueAdmin;
use valuesim_shared::store::Store;

use super::FleetCoordinator;

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Does what operators want of the run: says when it is to pause, asks to stop when it is to end.
    pub(super) async fn obey<T>(&self, halt: &CancellationToken) -> T {
        // Kept whole: its other part is what looks for orders.
        let mut following = self.servers.control.follow(&self.manifest.run).await;
        loop {
            let order = following.order.borrow_and_update().clone();
            self.heartbeat.remember(order.as_ref());
            match order {
                Some(Order { desired: DesiredState::Cancel, by, .. }) => {
                    (self.tell)(&format!("{by} wants this run to end: waiting for its workers to leave"));
                    tokio::select! {
                        () = self.let_workers_finish() => {}
                        Ok(()) = following.order.changed() => continue,
                    }
                    if self.is_still_to_end().await {
                        self.cancelled_by.get_or_init(|| by);
                        halt.cancel();
                    }
                }
                Some(Order { desired: DesiredState::Pause, by, at, .. }) => {
                    (self.tell)(&format!(
                        "paused by {by} at {at}: `valuesim resume {}` lets it go on",
                        self.manifest.run
                    ));
                }
                Some(Order { desired: DesiredState::Go, by, .. }) => (self.tell)(&format!("{by} lets this run go on")),
                // There was none yet, or the store has lost it: then it is given again.
                None => {}
            }
            if following.order.changed().await.is_err() {
                // Nobody looks for orders any more, which happens only where the whole process ends.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Looks once more: somebody may have had the last word since the order was last looked for.
    async fn is_still_to_end(&self) -> bool {
        match self.servers.control.order(&self.manifest.run).await {
            Ok(order) => order.is_none_or(|order| order.desired == DesiredState::Cancel),
            // What was said last stands.
            Err(_) => true,
        }
    }
}
