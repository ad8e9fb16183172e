//! Detects a starved worker: it is connected and has room, tasks wait in the broker, and none arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{QueueAdmin, QueueKind, QueueName};

/// How long tasks may wait while this worker has room for them. A delivery takes milliseconds, and a broker's heartbeats
/// notice an outage within a minute or two.
const STARVED_AFTER: Duration = Duration::from_mins(5);

/// How often an idle worker asks whether tasks wait.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(30);

/// The queues of a run and model, from which a worker takes tasks.
pub(super) type Source = (RunId, ModelId);

/// Since when tasks have been waiting although this worker has room for them.
#[derive(Debug, Default)]
pub(super) struct StarvationWatchdog {
    waits: BTreeMap<Source, Instant>,
}

impl StarvationWatchdog {
    /// Checks the sources from which the worker waits for a task, each with how long it has waited. Returns one message for
    /// each source at which tasks have waited for too long.
    pub(super) async fn check(&mut self, queue: &impl QueueAdmin, idle: Vec<(Source, Duration)>) -> Vec<String> {
        let mut starving = Vec::new();
        for (source, idle_for) in idle {
            if idle_for >= CHECK_EVERY && work_waits(queue, &source).await {
                starving.push((source, idle_for));
            }
        }
        self.observe(starving);
        self.starved_of()
    }

    /// Records the sources at which tasks wait now, with how long nothing has come from each.
    fn observe(&mut self, starving: Vec<(Source, Duration)>) {
        let now = Instant::now();
        let before = std::mem::take(&mut self.waits);
        let since = |(source, idle_for)| {
            // Tasks that waited before the last delivery do not count: since then, one has arrived.
            let seen = before.get(&source).copied().unwrap_or(now);
            (source, now.checked_sub(idle_for).map_or(seen, |idle_since| seen.max(idle_since)))
        };
        self.waits = starving.into_iter().map(since).collect();
    }

    fn starved_of(&self) -> Vec<String> {
        let waits = self.waits.iter().map(|(source, since)| (source, since.elapsed()));
        let too_long = waits.filter(|(_, wait)| *wait >= STARVED_AFTER);
        too_long
            .map(|((run, ModelId(model)), wait)| {
                let seconds = wait.as_secs();
                format!("run {run}, model {model}: tasks have waited for {seconds} s, but none reaches this worker, which has room")
            })
            .collect()
    }
}

/// Whether tasks wait in the broker. If that cannot be found out, the broker is at fault and the worker is not starved.
async fn work_waits(queue: &impl QueueAdmin, (run, model): &Source) -> bool {
    // Tasks in quarantine do not count: they wait for each other, however much room there is.
    for kind in [QueueKind::Cab(*model), QueueKind::Story(*model)] {
        if queue.problem().is_some() {
            return false;
        }
        let name = QueueName { run: run.clone(), kind };
        if matches!(queue.depth(&name).await, Ok(Some(depth)) if depth.messages > 0) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn source() -> Source {
        (RunId("r".to_owned()), ModelId(0))
    }

    fn is_starved(watchdog: &StarvationWatchdog) -> bool {
        !watchdog.starved_of().is_empty()
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_waits_for_long_beside_a_worker_with_room_makes_it_starved() {
        let mut watchdog = StarvationWatchdog::default();
        let start = Instant::now();
        for _ in 0..10 {
            advance(CHECK_EVERY).await;
            watchdog.observe(vec![(source(), start.elapsed())]);
            assert!(!is_starved(&watchdog));
        }
        advance(CHECK_EVERY).await;
        watchdog.observe(vec![(source(), start.elapsed())]);
        assert!(is_starved(&watchdog));
        // A task arrives.
        watchdog.observe(Vec::new());
        assert!(!is_starved(&watchdog));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_came_late_and_work_that_was_delivered_start_anew() {
        let mut watchdog = StarvationWatchdog::default();
        // Nothing to do for an hour, then work.
        advance(Duration::from_hours(1)).await;
        watchdog.observe(vec![(source(), Duration::from_hours(1))]);
        advance(STARVED_AFTER / 2).await;
        assert!(!is_starved(&watchdog));
        // A delivery a minute ago.
        advance(STARVED_AFTER).await;
        watchdog.observe(vec![(source(), Duration::from_mins(1))]);
        assert!(!is_starved(&watchdog));
        advance(Duration::from_mins(4)).await;
        watchdog.observe(vec![(source(), STARVED_AFTER)]);
        assert!(is_starved(&watchdog));
    }
}
