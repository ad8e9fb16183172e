//! A circuit breaker: when calls keep failing and none is answered, all calls pause. The probe after the pause shows whether
//! the provider is back; if it fails, the next pause is longer.

use serde::{Deserialize, Serialize};

use crate::permit::CircuitPauses;

/// The circuit opens after this many failures in a row for each call that may be in flight. One failure for each is not
/// enough: a restart of the provider, or one burst of refusals, fails all of them once.
const FAILURES_PER_CALL_IN_FLIGHT: u32 = 2;

/// The failures since the last answered call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Circuit {
    failed: u32,
    opened: u32,
    #[serde(skip)]
    pub(super) pauses: CircuitPauses,
}

impl Circuit {
    /// Counts a failed call. Returns the pause in milliseconds if this failure opens the circuit. A failure never opens it
    /// during a pause, because the call was sent before that pause began.
    pub(super) fn failed(&mut self, may_be_in_flight: u32, is_paused: bool) -> Option<u64> {
        self.failed = self.failed.saturating_add(1);
        let threshold = may_be_in_flight.saturating_mul(FAILURES_PER_CALL_IN_FLIGHT);
        if self.failed < threshold || is_paused {
            return None;
        }
        let pause = self.pauses.after(self.opened);
        self.opened = self.opened.saturating_add(1);
        Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
    }

    /// Closes the circuit: a call was answered, even if only to decline its prompt, so the provider is up.
    pub(super) fn answered(&mut self) {
        (self.failed, self.opened) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_down_when_all_calls_have_failed_twice_and_until_it_answers() {
        let mut circuit = Circuit::default();
        let mut fail =
            |times: u32, is_paused| (0..times).filter_map(|_| circuit.failed(8, is_paused)).collect::<Vec<_>>();
        assert_eq!(fail(15, false), Vec::<u64>::new());
        assert_eq!(fail(1, false), [500]);
        assert_eq!(fail(20, true), Vec::<u64>::new(), "these were in flight when it opened");
        assert_eq!((fail(1, false), fail(1, false)), (vec![1_000], vec![2_000]), "one failure after a pause is enough");
        circuit.answered();
        let mut fail = |times: u32| (0..times).filter_map(|_| circuit.failed(8, false)).count();
        assert_eq!(fail(15), 0);
    }
}
