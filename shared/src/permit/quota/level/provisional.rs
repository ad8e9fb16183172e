//! How a provisional level is tried: calls beyond it are accepted or refused.

use super::{Circumstances, Level, Measure, share};
use crate::permit::quota::trial::{Trial, Verdict};

/// What less than a minute's experience taught is doubted for this long.
const PROVISIONAL_MS: u64 = 30_000;

/// A provisional level is tried at so many times its pace.
const TRIAL_PACE: u64 = 2;

/// And at no fewer calls a minute: those with which a slow start begins.
const SLOWEST_TRIAL: u64 = 600;

impl Level {
    /// A call was answered that was granted after the last refusal, while `used` counted: so much more of a provisional limit
    /// may be tried.
    pub(in crate::permit::quota) fn passed(&mut self, used: u64, more: u64) {
        if let Some(learned) = self.learned.filter(|&learned| self.is_provisional && used + more >= learned) {
            self.learned = Some(learned.max(used) + more);
        }
    }

    /// A call was answered soon after a refusal: so much of a provisional limit may be tried that it is decided.
    pub(in crate::permit::quota) fn open(&mut self, now: u64) {
        if let Some((learned, enough)) = self.learned.zip(self.trial.enough(now)).filter(|_| self.is_provisional) {
            self.learned = Some(learned.max(enough));
        }
    }

    /// Decides whether what a refusal teaches is provisional. Returns what was accepted, or what flows into a token bucket.
    pub(super) fn judge(&mut self, now: u64, accepted: u64, circumstances: Circumstances) -> u64 {
        let Circumstances { configured, is_probe, is_young, .. } = circumstances;
        let is_known = configured.is_some() || self.stated.is_some();
        let was_provisional = self.is_provisional;
        let Some(learned) = self.learned else {
            self.trial = Trial::begun(now, accepted);
            // One call in flight too many is refused at once, so a trial of such a limit can wait.
            self.is_provisional = is_young && !is_known && self.measure == Measure::Rate;
            if is_young && !self.is_provisional {
                self.trial.end(now);
            }
            return accepted;
        };
        let verdict = if was_provisional { self.trial.refused(now, accepted) } else { Verdict::Open };
        self.is_provisional = was_provisional && is_young && !is_known && verdict == Verdict::Open;
        if was_provisional && !self.is_provisional {
            self.trial.end(now);
        }
        // The limit has fallen, or the refusal has nothing to do with one.
        let is_unexplained = !was_provisional && !is_probe && accepted < share(learned, 850);
        if is_unexplained && !is_known && self.measure == Measure::Rate {
            self.is_provisional = true;
            self.trial = self.trial.again(now, accepted);
        }
        match verdict {
            Verdict::Limit(limit) if is_young => limit,
            Verdict::Limit(_) | Verdict::Open => accepted,
        }
    }

    /// When calls beyond it were refused last, if it is provisional.
    pub(in crate::permit::quota) fn doubted_since(&self) -> Option<u64> {
        (self.is_provisional && self.learned.is_some()).then_some(self.cut_at)
    }

    /// Whether so much was accepted, in the last minute and since the last refusal, that it is no limit.
    pub(in crate::permit::quota) fn is_disproved_by(&self, now: u64, in_minute: u64, since_refusal: u64) -> bool {
        self.doubted_since()
            .is_some_and(|at| self.trial.is_disproved_by(in_minute, since_refusal, now.saturating_sub(at)))
    }

    /// The pace at which a provisional level is tried.
    pub(in crate::permit::quota) fn pace_of_trial(&self) -> Option<u64> {
        self.hi.filter(|_| self.is_provisional).map(|hi| hi.saturating_mul(TRIAL_PACE).max(SLOWEST_TRIAL))
    }

    /// Takes what is provisional for the limit once it has held for a while. Returns whether it is to be tried again.
    pub(in crate::permit::quota) fn settle_down(&mut self, now: u64) -> bool {
        let (Some(learned), Some(hi)) = (self.learned, self.hi) else { return false };
        let since = self.cut_at.max(self.trial.base_at());
        let holds = learned <= hi + hi / 20 && now.saturating_sub(since) >= PROVISIONAL_MS;
        if self.is_provisional && holds {
            self.is_provisional = false;
            self.trial.end(now);
        }
        let begins = !self.is_provisional && self.trial.begins(now, hi);
        self.is_provisional |= begins;
        begins
    }
}
