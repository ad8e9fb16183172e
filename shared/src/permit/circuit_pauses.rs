//! How long an open circuit pauses calls.

use std::time::Duration;

/// How long an open circuit pauses calls. Pauses double from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPauses {
    /// The first pause after an answered call.
    pub first: Duration,
    /// The upper bound of all pauses.
    pub longest: Duration,
}

impl Default for CircuitPauses {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(15) }
    }
}

impl CircuitPauses {
    /// The next pause if the circuit has opened `opened` times since the last answered call.
    pub(super) fn after(self, opened: u32) -> Duration {
        let doubled = 1_u32.checked_shl(opened).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = CircuitPauses::default();
        let seconds: Vec<f64> = (0..8).map(|opened| pauses.after(opened).as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]);
        assert_eq!(pauses.after(u32::MAX), Duration::from_secs(15));
    }
}
