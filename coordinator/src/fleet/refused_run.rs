//! Ends a run that all its workers refuse to serve.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{Control, DesiredState, REPORT_EXPIRY, RunPhase};
use valuesim_shared::queue::QueueAdmin;
use valuesim_shared::store::Store;

use super::FleetCoordinator;
use super::refusals::{Absent, Refusals, Refused, Standing};

/// How often to look at what workers report.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long all workers must have refused the run, and nothing must have moved: others may be about to start.
const QUIET_FOR: Duration = Duration::from_secs(5);

/// The same while others serve the run, and have nothing to do: theirs may be other models.
const QUIET_FOR_IDLE: Duration = Duration::from_secs(30);

/// The same once none of those that refused the run reports any more, or others served it a moment ago: they may be restarting. The last report of a worker that
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
    async fn until_refused(&self, refusals: Refusals) -> Refused {
        let mut watch = Watch::begin(refusals);
        loop {
            sleep(LOOK_EVERY).await;
            let all_wait = self.treasurer.as_ref().is_some_and(|treasurer| treasurer.is_at_a_wall());
            let workers = self.servers.control.workers().await;
            let standing = workers.map(|all| watch.refusals.see(&self.manifest.run, &all, all_wait));
            let progress = self.progress();
            let moved = (progress.cells_finished(), progress.cells_dead());
            if watch.is_over(standing.ok(), moved, self.may_move()) {
                return watch.refusals.summary();
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

/// How long nothing has moved while a run is refused.
struct Watch {
    refusals: Refusals,
    quiet_since: Instant,
    /// The workers without a task, and the numbers of finished and dead cells; none unless the run was refused.
    before: Option<(BTreeSet<String>, (u64, u64))>,
}

impl Watch {
    fn begin(refusals: Refusals) -> Self {
        Self { refusals, quiet_since: Instant::now(), before: None }
    }

    /// Takes in one look, of which `standing` is what workers say, if that is known. Returns whether the run is to end.
    fn is_over(&mut self, standing: Option<Standing>, cells: (u64, u64), may_move: bool) -> bool {
        let Some(Standing::Refused { idle, absent }) = standing else {
            self.before = None;
            return false;
        };
        let least = least_quiet(&idle, absent);
        let now = (idle, cells);
        if may_move || self.before.as_ref() != Some(&now) {
            (self.quiet_since, self.before) = (Instant::now(), Some(now));
            return false;
        }
        self.quiet_since.elapsed() >= least
    }
}

/// How long nothing must have moved while these workers serve the run and have no task.
fn least_quiet(idle: &BTreeSet<String>, absent: Absent) -> Duration {
    match (absent, idle.is_empty()) {
        (Absent::Refusers | Absent::Servers, _) => QUIET_FOR_ABSENT,
        (Absent::Nobody, true) => QUIET_FOR,
        (Absent::Nobody, false) => QUIET_FOR_IDLE,
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::id::RunId;

    use super::super::refusals::tests::{listing, worker, wrong_key};
    use super::*;

    #[test]
    fn others_have_longer_to_come_once_somebody_is_gone() {
        let (nobody, somebody) = (BTreeSet::new(), BTreeSet::from(["w1".to_owned()]));
        assert_eq!(least_quiet(&nobody, Absent::Nobody), Duration::from_secs(5));
        assert_eq!(least_quiet(&somebody, Absent::Nobody), Duration::from_secs(30));
        for absent in [Absent::Refusers, Absent::Servers] {
            assert_eq!(least_quiet(&nobody, absent), Duration::from_mins(1));
            assert_eq!(least_quiet(&somebody, absent), Duration::from_mins(1));
        }
    }

    /// Looks once a second at a run that one worker refuses, and that another one serves for a minute. It is away from then on for
    /// `away`. Returns after how many seconds the run is ended, if it is.
    async fn ended_after(away: u64) -> Option<u64> {
        let (run, mut watch) = (RunId("r1".to_owned()), Watch::begin(Refusals::default()));
        for second in 0..600 {
            sleep(LOOK_EVERY).await;
            let name = if second < 60 { "good" } else { "good-again" };
            let is_there = second < 60 || second >= 60 + away;
            let good = worker(name, &["r1"], 3);
            let all = [wrong_key("bad", 5)].into_iter().chain(Some(good).filter(|_| is_there)).collect();
            let standing = watch.refusals.see(&run, &listing(all), false);
            if watch.is_over(Some(standing), (1, 0), false) {
                return Some(second);
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn workers_that_served_a_run_have_a_minute_to_come_back_while_another_refuses_it() {
        assert_eq!(ended_after(45).await, None, "they have restarted");
        let ended = ended_after(600).await.expect("nobody comes back");
        assert!((118..125).contains(&ended), "{ended}");
    }
}
