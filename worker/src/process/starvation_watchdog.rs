//! Notices a starved worker: connected, with room for tasks that wait in the broker, and none arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{QueueAdmin, QueueKind, QueueName};

/// How long a task may wait beside a worker that could take it. A delivery takes milliseconds; the longest outage that a
/// broker's heartbeats leave unseen is a minute or two.
const STARVED_AFTER: Duration = Duration::from_mins(5);

/// How often a worker to which nothing comes asks whether there is work.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A queue from which a worker would take.
pub(super) type Source = (RunId, ModelId);

/// Work that waits although this worker listens, and since when.
#[derive(Debug, Default)]
pub(super) struct StarvationWatchdog {
    waits: BTreeMap<Source, Instant>,
}

impl StarvationWatchdog {
    /// Looks at what `listening` names, with how long nothing has come from there; says what was not heard for too long.
    pub(super) async fn check(&mut self, queue: &impl QueueAdmin, listening: Vec<(Source, Duration)>) -> Vec<String> {
        let mut unheard = Vec::new();
        for (source, silence) in listening {
            if silence >= LOOK_EVERY && work_waits(queue, &source).await {
                unheard.push((source, silence));
            }
        }
        self.observe(unheard);
        self.starved_of()
    }

    /// Work waits at these sources now, from which nothing has come for so long.
    fn observe(&mut self, unheard: Vec<(Source, Duration)>) {
        let now = Instant::now();
        let before = std::mem::take(&mut self.waits);
        let since = |(source, silence)| {
            // Work that was seen before the last delivery says nothing about what came after it.
            let seen = before.get(&source).copied().unwrap_or(now);
            (source, now.checked_sub(silence).map_or(seen, |silent| seen.max(silent)))
        };
        self.waits = unheard.into_iter().map(since).collect();
    }

    fn starved_of(&self) -> Vec<String> {
        let waits = self.waits.iter().map(|(source, since)| (source, since.elapsed()));
        let too_long = waits.filter(|(_, wait)| *wait >= STARVED_AFTER);
        too_long
            .map(|((run, ModelId(model)), wait)| {
                let seconds = wait.as_secs();
                format!("run {run}, model {model}: tasks have waited for {seconds} s, there is room, and none arrives")
            })
            .collect()
    }
}

/// Whether tasks wait in the broker. What cannot be seen is the broker's trouble, not this worker's.
async fn work_waits(queue: &impl QueueAdmin, (run, model): &Source) -> bool {
    // Not those of suspects, which wait for each other however much room there is.
    for lane in [QueueKind::Cab(*model), QueueKind::Story(*model)] {
        if queue.problem().is_some() {
            return false;
        }
        let name = QueueName { run: run.clone(), kind: lane };
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
            advance(LOOK_EVERY).await;
            watchdog.observe(vec![(source(), start.elapsed())]);
            assert!(!is_starved(&watchdog));
        }
        advance(LOOK_EVERY).await;
        watchdog.observe(vec![(source(), start.elapsed())]);
        assert!(is_starved(&watchdog));
        // It is heard of again.
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
