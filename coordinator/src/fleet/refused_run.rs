//! Ends a run that all its workers refuse to serve.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{Control, DesiredState, RunPhase};
use valuesim_shared::queue::QueueAdmin;
use valuesim_shared::store::Store;

use super::FleetCoordinator;
use super::refusals::{Refusals, Refused, Standing};

/// How often to look at what workers report.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long all workers must have refused the run, and nothing must have moved: others may be about to start.
const QUIET_FOR: Duration = Duration::from_secs(5);

/// The same while others serve the run, and have nothing to do: theirs may be other models.
const QUIET_FOR_IDLE: Duration = Duration::from_secs(30);

/// How long workers may take to see that the run has ended.
const SEE_WITHIN: Duration = Duration::from_secs(4);

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Once all workers refuse the run, lets those leave that have nothing to do, and cancels `stopping`.
    pub(super) async fn end_if_refused<T>(&self, refusals: Refusals, stopping: &CancellationToken) -> T {
        let refused = self.until_refused(refusals).await;
        (self.tell)("no worker serves the run any more, and all that did say why: it stops");
        self.heartbeat.ends_as(RunPhase::Failed, Some(refused.to_string()));
        self.refused.get_or_init(|| refused);
        if let Err(error) = self.heartbeat.announce(RunPhase::Failed).await {
            tracing::debug!(%error, "could not report yet that the run is refused");
        }
        tokio::join!(self.let_workers_finish(), self.let_refusers_see_it());
        stopping.cancel();
        std::future::pending().await
    }

    /// Waits, for a limited time, until those that refuse the run have seen that it has ended: they take it up at once when it is
    /// begun again.
    async fn let_refusers_see_it(&self) {
        let seen = async {
            while self.servers.control.workers().await.is_ok_and(|all| Refusals::are_heard(&self.manifest.run, &all)) {
                sleep(LOOK_EVERY / 5).await;
            }
        };
        let _ = timeout(SEE_WITHIN, seen).await;
    }

    /// Waits until nothing has moved for a while, and nobody who serves the run can move anything.
    async fn until_refused(&self, mut refusals: Refusals) -> Refused {
        let (mut quiet_since, mut before) = (Instant::now(), None);
        loop {
            sleep(LOOK_EVERY).await;
            let standing = self.servers.control.workers().await.map(|all| refusals.see(&self.manifest.run, &all));
            let Ok(Standing::Refused { idle }) = standing else {
                before = None;
                continue;
            };
            let least = if idle.is_empty() { QUIET_FOR } else { QUIET_FOR_IDLE };
            let progress = self.progress();
            let now = (idle, progress.cells_finished(), progress.cells_dead());
            if self.may_move() || before.as_ref() != Some(&now) {
                (quiet_since, before) = (Instant::now(), Some(now));
            } else if quiet_since.elapsed() >= least {
                return refusals.summary();
            }
        }
    }

    /// Whether the run waits for something else than workers.
    fn may_move(&self) -> bool {
        let is_ordered_to_stop = self.heartbeat.last_order().is_some_and(|order| order.desired != DesiredState::Go);
        is_ordered_to_stop
            || self.coordinator.cells_under_way() == 0
            || self.coordinator.waits_for_cheap_hours()
            || self.heartbeat.will_end_as().is_some()
            || self.servers.queue.problem().is_some()
    }
}
