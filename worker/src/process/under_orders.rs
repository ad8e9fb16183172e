//! The worker of a run that has no other: it works unless operators want the run to pause or to end.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{Order, Wish};
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
    mut orders: watch::Receiver<Option<Order>>,
    stop: &CancellationToken,
    heard: impl Fn(&Order),
) -> Result<Option<Order>, WorkerError> {
    loop {
        let order = orders.borrow_and_update().clone();
        order.iter().for_each(&heard);
        match order.as_ref().map_or(Wish::Go, |order| order.wish) {
            Wish::Cancel => return Ok(order),
            Wish::Pause => {
                if stop.run_until_cancelled(changed(&mut orders)).await.is_none() {
                    return Ok(None);
                }
            }
            Wish::Go => {
                let leave = stop.child_token();
                let ended = {
                    let mut working = std::pin::pin!(worker.work(&leave));
                    tokio::select! {
                        biased;
                        ended = &mut working => Some(ended),
                        () = changed(&mut orders) => {
                            leave.cancel();
                            working.await?;
                            None
                        }
                    }
                };
                if let Some(ended) = ended {
                    return ended.map(|()| None);
                }
            }
        }
    }
}

/// Waits until there is another order. Where nobody looks for orders any more, there is none.
async fn changed(orders: &mut watch::Receiver<Option<Order>>) {
    if orders.changed().await.is_err() {
        std::future::pending().await
    }
}
