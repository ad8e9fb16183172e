//! The only worker of a run in one process: it works unless an operator has paused or cancelled the run.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{DesiredState, Order};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;

use crate::error::WorkerError;
use crate::worker::Worker;

/// Works until `stop` is cancelled, nothing more can be done, or an operator cancels the run; returns the order that
/// cancelled it. While the run is paused, no call is sent; calls in flight are finished and their replies stored. `on_order`
/// is called with the present order at the start, and with every later one as it arrives.
pub async fn work_under_orders<Q: Queue, S: Store, O: PermitOffice>(
    worker: &Worker<Q, S, O>,
    orders: watch::Receiver<Option<Order>>,
    stop: &CancellationToken,
    on_order: impl Fn(&Order),
) -> Result<Option<Order>, WorkerError> {
    let mut orders = Orders { receiver: orders, last: None, on_order };
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
                    () = orders.until_pause_or_cancel() => {}
                }
                leave.cancel();
                working.await?;
            }
        }
    }
}

/// The orders for the run. `on_order` is called once for each.
struct Orders<H> {
    receiver: watch::Receiver<Option<Order>>,
    last: Option<Order>,
    on_order: H,
}

impl<H: Fn(&Order)> Orders<H> {
    fn latest(&mut self) -> Option<Order> {
        let order = self.receiver.borrow_and_update().clone();
        if let Some(order) = order.as_ref().filter(|order| Some(*order) != self.last.as_ref()) {
            (self.on_order)(order);
        }
        self.last.clone_from(&order);
        order
    }

    /// Waits for another order. Waits forever once orders are no longer read.
    async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the run is paused or cancelled.
    async fn until_pause_or_cancel(&mut self) {
        loop {
            self.changed().await;
            if self.latest().is_some_and(|order| order.desired != DesiredState::Go) {
                return;
            }
        }
    }
}
