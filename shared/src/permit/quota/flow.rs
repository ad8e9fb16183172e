//! An even flow with a small burst: a debt that drains at a rate. What the generic cell rate algorithm does, for amounts.

use serde::{Deserialize, Serialize};

/// The burst of a known limit: as much as flows in this time.
const BURST_MS: f64 = 2_000.0;

/// The burst of a pace that looks for a limit: what overshoots it is refused.
const RAMP_BURST_MS: f64 = 500.0;

/// The burst while a level is on trial.
const TRIAL_BURST_MS: f64 = 100.0;

/// What was granted and has not drained yet.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Flow {
    debt: f64,
}

/// An amount in a millisecond, infinite where nothing limits it, and the burst.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    per_ms: f64,
    burst: f64,
}

impl Rate {
    /// No limit.
    pub(super) const UNLIMITED: Self = Self { per_ms: f64::INFINITY, burst: f64::INFINITY };

    /// The pace of a known limit a minute.
    pub(super) fn per_minute(limit: u64) -> Self {
        Self::new(limit, BURST_MS)
    }

    /// The pace of a slow start.
    pub(super) fn ramp(per_minute: u64) -> Self {
        Self::new(per_minute, RAMP_BURST_MS)
    }

    /// The pace of a slow start while a level is on trial.
    pub(super) fn trial(per_minute: u64) -> Self {
        Self::new(per_minute, TRIAL_BURST_MS)
    }

    fn new(per_minute: u64, burst_ms: f64) -> Self {
        let per_ms = per_minute as f64 / 60_000.0;
        Self { per_ms, burst: (per_ms * burst_ms).max(1.0) }
    }
}

impl Flow {
    /// Lets `ms` milliseconds pass.
    pub(super) fn drain(&mut self, ms: u64, rate: Rate) {
        self.debt = if rate == Rate::UNLIMITED { 0.0 } else { (self.debt - rate.per_ms * ms as f64).max(0.0) };
    }

    /// How much may be granted now. The last grant may be larger than what is left of this.
    pub(super) fn room(self, rate: Rate) -> f64 {
        rate.burst - self.debt
    }

    /// How long until something may be granted, in milliseconds, rounded up.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above 0 and at most a debt of hours")]
    pub(super) fn wait_ms(self, rate: Rate, needed: f64) -> u64 {
        ((needed - self.room(rate)) / rate.per_ms).ceil().max(0.0) as u64
    }

    pub(super) fn grant(&mut self, amount: u64) {
        self.debt += amount as f64;
    }

    /// Spends the burst: from now on only what flows may be granted.
    pub(super) fn spend_burst(&mut self, rate: Rate) {
        if rate != Rate::UNLIMITED {
            self.debt = self.debt.max(rate.burst);
        }
    }

    /// Takes back what was granted and is not used after all.
    pub(super) fn give_back(&mut self, amount: u64) {
        self.debt = (self.debt - amount as f64).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_go_at_once_and_then_the_rate() {
        let (mut flow, rate) = (Flow::default(), Rate::per_minute(600));
        let mut granted = 0;
        for second in 0..=60 {
            while flow.room(rate) >= 1.0 {
                flow.grant(1);
                granted += 1;
            }
            assert_eq!(granted, 20 + second * 10);
            assert_eq!(flow.wait_ms(rate, 1.0), 100);
            flow.drain(1_000, rate);
        }
    }

    #[test]
    fn a_slow_flow_lets_one_through_and_an_unlimited_one_all() {
        let (mut flow, rate) = (Flow::default(), Rate::per_minute(6));
        assert!((flow.room(rate) - 1.0).abs() < 1e-9);
        flow.grant(1);
        assert_eq!(flow.wait_ms(rate, 1.0), 10_000);
        flow.give_back(1);
        assert_eq!(flow.wait_ms(rate, 1.0), 0);
        flow.grant(1_000_000);
        assert!(flow.room(Rate::UNLIMITED) > 1e300);
        assert_eq!(flow.wait_ms(Rate::UNLIMITED, 1.0), 0);
    }
}
