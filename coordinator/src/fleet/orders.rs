//! Carries out the orders of operators for a run: pause, resume, cancel.

use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{Control, DesiredState, Order};
use valuesim_shared::queue::QueueAdmin;
use valuesim_shared::store::Store;

use super::FleetCoordinator;

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Carries out orders: reports a pause, and cancels `stopping` once a cancelled run's workers have left.
    pub(super) async fn obey<T>(&self, stopping: &CancellationToken) -> T {
        // Its other field is the task that checks for orders, so it must stay alive.
        let mut following = self.servers.control.follow(&self.manifest.run).await;
        let mut desired_before = DesiredState::Go;
        loop {
            let order = following.order.borrow_and_update().clone();
            self.heartbeat.remember(order.as_ref());
            if let (Some(treasurer), Some(order)) = (&self.treasurer, &order) {
                treasurer.obey(order);
            }
            let desired = order.as_ref().map_or(desired_before, |order| order.desired);
            let was_going = std::mem::replace(&mut desired_before, desired) == DesiredState::Go;
            match order {
                Some(Order { desired: DesiredState::Cancel, by, .. }) => {
                    (self.tell)(&format!("cancelled by {by}: waiting for the run's workers to leave"));
                    tokio::select! {
                        () = self.let_workers_finish() => {}
                        Ok(()) = following.order.changed() => continue,
                    }
                    if self.is_still_to_end().await {
                        self.cancelled_by.get_or_init(|| by);
                        stopping.cancel();
                    }
                }
                Some(Order { desired: DesiredState::Pause, by, at, .. }) => {
                    (self.tell)(&format!("paused by {by} at {at}: `valuesim resume {}` resumes it", self.manifest.run));
                }
                Some(Order { desired: DesiredState::Go, by, .. }) if !was_going => {
                    (self.tell)(&format!("resumed by {by}"));
                }
                // An order may set the budget alone. If there is none, either there was none yet, or the store has lost it, and the
                // heartbeat restores it.
                Some(Order { desired: DesiredState::Go, .. }) | None => {}
            }
            if following.order.changed().await.is_err() {
                // Nobody checks for orders any more, which happens only when the whole process ends.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether the run is still cancelled: an operator may have resumed it since the last check.
    async fn is_still_to_end(&self) -> bool {
        match self.servers.control.order(&self.manifest.run).await {
            Ok(order) => order.is_none_or(|order| order.desired == DesiredState::Cancel),
            // The last known order stays in force.
            Err(_) => true,
        }
    }
}
