//! The worker of a run that has no other: it works unless operators want the run to pause or to end.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{DesiredState, Order};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;

use crate::error::WorkerError;
use crate::worker::Worker;

/// Works until `stop` is cancelled, nothing more can be done, or an operator wants the run to end, and then returns that
/// order. While the run is to pause, no call is made; calls in flight are finished and kept. `heard` is called with every
/// order, when it comes and at the start.
pub async fn work_under_orders<Q: Queue, S: Store, O: PermitOffice>(
    worker: &Worker<Q, S, O>,
    orders: watch::Receiver<Option<Order>>,
    stop: &CancellationToken,
    heard: impl Fn(&Order),
) -> Result<Option<Order>, WorkerError> {
    let mut orders = Orders { seen: orders, known: None, heard };
    loop {
        match orders.latest() {
            Some(order) if order.desired == DesiredState::Cancel => return Ok(Some(order)),
            Some(order) if order.desired == DesiredState::Pause => {
                if stop.run_until_cancelled(orders.changed()).await.is_none() {
                    return Ok(None);
                }
            }
            _ => {
                let leave = stop.child_token();
                let mut working = std::pin::pin!(worker.work(&leave));
                tokio::select! {
                    biased;
                    ended = &mut working => return ended.map(|()| None),
                    () = orders.until_halted() => {}
                }
                leave.cancel();
                working.await?;
            }
        }
    }
}

/// The orders for the run, each of which is heard once.
struct Orders<H> {
    seen: watch::Receiver<Option<Order>>,
    known: Option<Order>,
    heard: H,
}

impl<H: Fn(&Order)> Orders<H> {
    fn latest(&mut self) -> Option<Order> {
        let order = self.seen.borrow_and_update().clone();
        if let Some(order) = order.as_ref().filter(|order| Some(*order) != self.known.as_ref()) {
            (self.heard)(order);
        }
        self.known.clone_from(&order);
        order
    }

    /// Waits until there is another order. Where nobody looks for orders any more, there is none.
    async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the run is to pause or to end.
    async fn until_halted(&mut self) {
        loop {
            self.changed().await;
            if self.latest().is_some_and(|order| order.desired != DesiredState::Go) {
                return;
            }
        }
    }
}
