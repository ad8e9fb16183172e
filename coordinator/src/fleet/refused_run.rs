//! Ends a run that all its workers refuse to serve.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{Control, DesiredState, REPORT_EXPIRY, RunPhase};
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

/// The same once none of those that refused the run reports any more: others may be restarting. The last report of a worker that
/// ends because it refuses a run is read for longer than [`QUIET_FOR`].
const QUIET_FOR_ABSENT: Duration = Duration::from_mins(1);

const _: () = assert!(REPORT_EXPIRY.as_secs() > QUIET_FOR.as_secs() + 2 * LOOK_EVERY.as_secs());

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
            let Ok(Standing::Refused { idle, all_left }) = standing else {
                before = None;
                continue;
            };
            let least = least_quiet(&idle, all_left);
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
            || self.coordinator.waits_to_send_again()
            || self.heartbeat.will_end_as().is_some()
            || self.servers.queue.problem().is_some()
    }
}

/// How long nothing must have moved while these workers serve the run and have no task.
fn least_quiet(idle: &BTreeSet<String>, all_left: bool) -> Duration {
    match (all_left, idle.is_empty()) {
        (true, _) => QUIET_FOR_ABSENT,
        (false, true) => QUIET_FOR,
        (false, false) => QUIET_FOR_IDLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_have_longer_to_come_once_those_that_refused_the_run_are_gone() {
        let (nobody, somebody) = (BTreeSet::new(), BTreeSet::from(["w1".to_owned()]));
        assert_eq!(least_quiet(&nobody, false), Duration::from_secs(5));
        assert_eq!(least_quiet(&somebody, false), Duration::from_secs(30));
        assert_eq!(least_quiet(&nobody, true), Duration::from_mins(1));
        assert_eq!(least_quiet(&somebody, true), Duration::from_mins(1));
    }
}
