//! Whether the provider's refusals follow a limit at all. Some do not: others use the same key, or the provider sheds load.

use serde::{Deserialize, Serialize};

/// A cut within this time of the last one belongs to the same row of cuts.
const SAME_ROW_MS: u64 = 20_000;

/// After so many cuts in a row, of which none ended the refusals, lower levels do not help. A limit of calls that was halved
/// without a word takes four.
const CUTS_IN_VAIN: u32 = 6;

/// How long a doubt lasts. After it, a refusal is believed again: a limit may have come meanwhile.
const FIRST_MS: u64 = 5 * 60_000;

/// A doubt that follows others lasts up to 2^4 times as long.
const MAX_DOUBLINGS: u32 = 4;

/// The doubt that refusals follow a limit. While there is one, only a wall of refusals is believed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Doubt {
    cut_at: u64,
    /// Cuts in a row.
    cuts: u32,
    until: u64,
    /// How often there was a doubt.
    times: u32,
}

impl Doubt {
    /// A call was refused; `is_deeper` if that cut a level which an earlier refusal had cut.
    pub(super) fn cut(&mut self, now: u64, is_deeper: bool) {
        let is_in_row = now.saturating_sub(self.cut_at) < SAME_ROW_MS;
        self.cuts = if is_in_row { self.cuts + u32::from(is_deeper) } else { 0 };
        self.cut_at = now;
    }

    /// Whether there were so many cuts in a row that refusals do not depend on levels.
    pub(super) fn is_due(&self) -> bool {
        self.cuts >= CUTS_IN_VAIN
    }

    /// Begins a doubt.
    pub(super) fn begin(&mut self, now: u64) {
        self.until = now + (FIRST_MS << self.times.min(MAX_DOUBLINGS));
        self.times = self.times.saturating_add(1);
        self.cuts = 0;
    }

    /// Whether there is a doubt.
    pub(super) fn is_on(&self, now: u64) -> bool {
        now < self.until
    }

    /// Ends the doubt: there is a limit after all.
    pub(super) fn end(&mut self) {
        self.until = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_in_a_row_that_do_not_help_begin_a_doubt_that_lasts_longer_each_time() {
        let mut doubt = Doubt::default();
        let mut lengths = Vec::new();
        for start in [1_000_000, 10_000_000, 20_000_000] {
            doubt.cut(start, true);
            for at in 1..=CUTS_IN_VAIN {
                assert!(!doubt.is_due());
                doubt.cut(start + u64::from(at) * 10_000, true);
            }
            assert!(doubt.is_due());
            doubt.begin(start);
            assert!(doubt.is_on(start) && !doubt.is_due());
            lengths.push((doubt.until - start) / 60_000);
            doubt.end();
            assert!(!doubt.is_on(start));
        }
        assert_eq!(lengths, [5, 10, 20]);
    }

    #[test]
    fn cuts_that_help_for_a_while_are_no_row() {
        let mut doubt = Doubt::default();
        (0..100).for_each(|at| doubt.cut(at * SAME_ROW_MS, true));
        (0..100).for_each(|at| doubt.cut(at, false));
        assert!(!doubt.is_due());
    }
}
