//! The time of a quota: that of its keeper, which never goes back and never jumps.

use serde::{Deserialize, Serialize};

/// Milliseconds since the keeper's epoch, corrected.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    now: u64,
    /// What the keeper's clock is ahead.
    ahead: i64,
}

impl Clock {
    /// A clock that shows the keeper's time.
    pub(super) const fn at(keeper: u64) -> Self {
        Self { now: keeper, ahead: 0 }
    }

    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    /// Advances to the keeper's time; returns by how many milliseconds. If the keeper's clock was set back, time goes on
    /// from where it was.
    pub(super) fn advance(&mut self, keeper: u64) -> u64 {
        let corrected = keeper.saturating_add_signed(self.ahead.saturating_neg());
        if corrected < self.now {
            self.ahead = difference(keeper, self.now);
            return 0;
        }
        let passed = corrected - self.now;
        self.now = corrected;
        passed
    }

    /// Corrects a jump forward of the keeper's clock by this much, before [`Clock::advance`].
    pub(super) fn take_back(&mut self, jump: u64) {
        self.ahead = self.ahead.saturating_add_unsigned(jump);
    }
}

/// `one - other`.
fn difference(one: u64, other: u64) -> i64 {
    i64::try_from(i128::from(one) - i128::from(other)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_goes_on_after_the_keepers_clock_was_set() {
        let mut clock = Clock::at(1_000_000);
        assert_eq!(clock.advance(1_000_100), 100);
        assert_eq!((clock.advance(400_000), clock.now()), (0, 1_000_100), "set back");
        assert_eq!((clock.advance(400_250), clock.now()), (250, 1_000_350));
        clock.take_back(7_000_000);
        assert_eq!((clock.advance(7_400_260), clock.now()), (10, 1_000_360), "set forward, as a worker noticed");
    }
}
