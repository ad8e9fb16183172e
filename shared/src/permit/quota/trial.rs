//! The trial of a level of which little is known: calls beyond it show whether it is a limit, or whether the refusal had
//! nothing to do with one.

use serde::{Deserialize, Serialize};

const MINUTE_MS: u64 = 60_000;

/// So many refusals in a row at a level that a token bucket explains, and it is one. Further trials are shorter by one.
const REPETITIONS: u32 = 2;

/// A refusal is recent for so long.
const RECENT_MS: u64 = 10_000;

/// So many calls beyond what a token bucket accepts may be those of its first burst.
const SOME: u64 = 4;

/// The next trial begins this long after the last one has ended, or later.
const LEAST_WAIT_MS: u64 = 20_000;

/// The wait for each call of the level: what a few calls have shown says little, and trying it again costs little.
const WAIT_OF_A_CALL_MS: u64 = 1_000;

/// Each trial waits twice as long as the one before, and there are no more.
const MAX_TRIALS: u32 = 6;

/// What a refusal says in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Open,
    /// That this is the limit: nothing is accepted beyond the last refused level, or again and again no more than a token
    /// bucket would have been filled with since.
    Limit(u64),
}

/// The trials of a level.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trial {
    /// The level of the refusal with which the present trial began, and when it was.
    first: u64,
    began_at: u64,
    /// The last refusal at another level than the one before, and when it was.
    base: u64,
    base_at: u64,
    /// Refusals at the same level since then.
    repetitions: u32,
    next_at: Option<u64>,
    trials: u32,
}

impl Trial {
    /// The first trial of a level.
    pub(super) fn begun(now: u64, first: u64) -> Self {
        Self { first, began_at: now, base: first, base_at: now, ..Self::default() }
    }

    /// A further trial of a level.
    pub(super) fn again(self, now: u64, first: u64) -> Self {
        Self { trials: self.trials, repetitions: 1, ..Self::begun(now, first) }
    }

    /// A call was refused when so much was accepted in the last minute.
    pub(super) fn refused(&mut self, now: u64, accepted: u64) -> Verdict {
        let is_same = accepted <= self.base + self.base / 100;
        if accepted <= filled(self.base, now.saturating_sub(self.base_at)) * 21 / 20 {
            self.repetitions += 1;
        } else {
            (self.base, self.base_at, self.repetitions) = (accepted, now, 0);
        }
        match () {
            () if is_same => Verdict::Limit(accepted),
            () if self.repetitions >= REPETITIONS => Verdict::Limit(self.flow(now, accepted)),
            () => Verdict::Open,
        }
    }

    /// What flows into a token bucket in a minute that was empty when the trial began, and is now: at least half of what it
    /// accepted in its first minute.
    fn flow(&self, now: u64, accepted: u64) -> u64 {
        let flow = accepted.saturating_sub(self.first) * MINUTE_MS / now.saturating_sub(self.began_at).max(1);
        flow.clamp(accepted / 2, accepted)
    }

    /// Less was accepted before the last refusal than it seemed.
    pub(super) fn correct(&mut self, accepted: u64) {
        (self.first, self.base) = (self.first.min(accepted), self.base.min(accepted));
    }

    /// Whether so much was accepted, in the last minute and since the last refusal `ms` milliseconds ago, that there is no
    /// limit at the level: neither of a window, nor of a token bucket, which was empty then.
    pub(super) fn is_disproved_by(&self, in_minute: u64, since_refusal: u64, ms: u64) -> bool {
        let filled = self.first * ms.min(MINUTE_MS) / MINUTE_MS;
        in_minute > with_margin(self.first) && since_refusal > with_margin(filled)
    }

    /// How much may be tried once a call was answered: what decides, if the refusal is recent. Later, what was accepted a
    /// minute ago counts no more, and a limit would be met again.
    pub(super) fn enough(&self, now: u64) -> Option<u64> {
        (now.saturating_sub(self.base_at) <= RECENT_MS)
            .then(|| with_margin(filled(self.first, now.saturating_sub(self.began_at))) + 1)
    }

    /// Ends a trial: the level is believed for now.
    pub(super) fn end(&mut self, now: u64) {
        let wait = LEAST_WAIT_MS.max(self.first * WAIT_OF_A_CALL_MS) << self.trials;
        self.next_at = (self.trials < MAX_TRIALS).then_some(now + wait);
    }

    /// Begins the next trial of the level, if the time has come.
    pub(super) fn begins(&mut self, now: u64, level: u64) -> bool {
        let is_due = self.next_at.is_some_and(|at| now >= at);
        if is_due {
            self.trials += 1;
            *self = self.again(now, level);
        }
        is_due
    }

    /// When the present trial began, or its level was last refused.
    pub(super) fn base_at(&self) -> u64 {
        self.base_at
    }
}

/// What a token bucket has accepted that refused a call at a level so many milliseconds ago.
fn filled(level: u64, ms: u64) -> u64 {
    level + level * ms.min(MINUTE_MS) / MINUTE_MS
}

fn with_margin(amount: u64) -> u64 {
    amount * 11 / 10 + SOME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_refuses_at_the_same_level_and_a_token_bucket_at_what_flowed_into_it() {
        let mut window = Trial::begun(0, 300);
        assert_eq!(window.refused(5_000, 303), Verdict::Limit(303));
        // 300 a minute, empty after 12 s.
        let mut bucket = Trial::begun(12_000, 360);
        assert_eq!(bucket.refused(18_000, 390), Verdict::Open);
        assert_eq!(bucket.refused(24_000, 420), Verdict::Limit(300));
    }

    #[test]
    fn refusals_at_ever_higher_levels_say_nothing() {
        let mut trial = Trial::begun(0, 100);
        let mut accepted = 100;
        for step in 1..20 {
            accepted += accepted / 4;
            assert_eq!(trial.refused(step * 2_000, accepted), Verdict::Open);
        }
    }

    #[test]
    fn more_than_a_window_and_a_token_bucket_accept_disproves_a_level() {
        let trial = Trial::begun(0, 300);
        assert!(!trial.is_disproved_by(330, 300, 1_000), "a window may have accepted that");
        assert!(!trial.is_disproved_by(500, 60, 12_000), "a token bucket, too");
        assert!(trial.is_disproved_by(400, 100, 12_000));
        assert_eq!(trial.enough(10_000), Some(390));
        assert_eq!(trial.enough(10_001), None, "the refusal was long ago");
    }

    #[test]
    fn further_trials_wait_ever_longer() {
        let (mut trial, mut now, mut begun) = (Trial::begun(0, 40), 0, Vec::new());
        trial.end(0);
        while now < 24 * 60 * MINUTE_MS {
            now += 10_000;
            if trial.begins(now, 40) {
                begun.push(now / 1_000);
                trial.end(now);
            }
        }
        assert_eq!(begun, [40, 120, 280, 600, 1_240, 2_520]);
    }
}
