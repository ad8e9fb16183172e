//! How a level that was learned grows again while it is used.

use super::{Level, share};

/// Growth by 1 % up to the last level that was refused happens this often.
const GROWS_BELOW_MS: u64 = 5_000;

/// Growth beyond the last level that was refused happens this often.
const GROWS_BEYOND_MS: u64 = 60_000;

/// The wait before growth beyond the last refused level doubles at most so often while the provider refuses it.
const MAX_BEYOND_DOUBLINGS: u32 = 2;

/// After this long without a refusal, steps beyond the last refused level double, again and again: the provider may have
/// raised its limit, or another user of the key may be gone.
const STEPS_DOUBLE_AFTER_MS: u64 = 5 * 60_000;

/// Steps grow at most to 2^5 %.
const MAX_DOUBLINGS: u64 = 5;

/// The wait before a further call in flight is tried doubles at most so often while the provider refuses it: to 80 s.
const MAX_WAIT_DOUBLINGS: u32 = 4;

impl Level {
    /// Grows what was learned, if the time has come and at least 90 % of it is in use.
    pub(in crate::permit::quota) fn grow(&mut self, now: u64, in_use: u64, configured: Option<u64>) {
        let (Some(learned), Some(hi)) = (self.learned, self.hi) else { return };
        let every = if learned < hi { GROWS_BELOW_MS } else { self.wait_beyond(learned) };
        let is_in_use = in_use >= share(learned, 900);
        if !is_in_use || now.saturating_sub(self.grown_at) < every {
            return;
        }
        let step = self.step(now, learned);
        self.held = if self.is_of_few(learned) { learned } else { 0 };
        // A quarter of the way to the refused level, where that is more.
        let grown = if learned < hi { (learned + step.max((hi - learned) / 4)).min(hi) } else { learned + step };
        self.raised = if learned < hi { 0 } else { self.raised.saturating_add(1) };
        self.grown_at = now;
        let ceiling = [configured, self.stated].into_iter().flatten().min();
        self.learned = Some(grown).filter(|&grown| ceiling.is_none_or(|ceiling| grown < ceiling));
    }

    /// How long it takes until the next step beyond the last refused level. A call in flight more is tried after a while that
    /// doubles each time that it is refused, and soon again once it was not.
    fn wait_beyond(&self, learned: u64) -> u64 {
        match self.raised {
            _ if !self.is_of_few(learned) => GROWS_BEYOND_MS << self.refused_steps.min(MAX_BEYOND_DOUBLINGS),
            0 => GROWS_BELOW_MS << self.refused_steps.min(MAX_WAIT_DOUBLINGS),
            _ => GROWS_BELOW_MS,
        }
    }

    /// The next step of growth: 1 %, and more after a long time without a refusal. Steps to more calls in flight double from
    /// one on.
    fn step(&self, now: u64, learned: u64) -> u64 {
        let doublings = (now.saturating_sub(self.cut_at) / STEPS_DOUBLE_AFTER_MS).min(MAX_DOUBLINGS);
        let step = (learned.saturating_mul(1 << doublings) / 100).max(1);
        if self.is_of_few(learned) { step.max((1 << self.raised.min(32)).min(learned)) } else { step }
    }

    /// Postpones growth: the provider has trouble.
    pub(in crate::permit::quota) fn rest(&mut self, now: u64) {
        self.grown_at = now;
    }
}
