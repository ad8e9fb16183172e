//! Decides when a run ends whose calls wait for money that does not come.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;

use crate::coordinator::Coordinator;

/// How long nothing must have moved at the wall: workers between two calls want nothing for a moment.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// The same while open cells of other models could still be paid for: whatever holds them up, such as an outage of their provider, a
/// run without a budget would wait for it, too. This bounds only how long a run waits that nobody can help.
pub(crate) const QUIET_FOR_OTHERS: Duration = Duration::from_hours(1);

/// What else a run may do while calls of some models cannot be paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// No cell of another model is open.
    Done,
    /// Cells of other models are open.
    Open,
    /// The same, and they wait for a time that will come.
    Wait,
}

impl Others {
    /// What the models of a run do beside those of which calls cannot be paid for.
    pub fn of<Q: Queue, S: Store>(coordinator: &Coordinator<Q, S>, walled: &BTreeSet<usize>) -> Self {
        if !coordinator.has_open_cells_beside(walled) {
            Self::Done
        } else if coordinator.waits_for_cheap_hours() {
            Self::Wait
        } else {
            Self::Open
        }
    }
}

/// Watches whether a run is at its wall for good.
#[derive(Debug, Default)]
pub(crate) struct WallWatch {
    since: Option<Instant>,
}

impl WallWatch {
    /// Takes in one look: the models of which calls wait while nothing is in flight and no money can come back, if it is so. Returns
    /// whether the run is to end.
    pub(crate) fn is_over(
        &mut self,
        walled: Option<&BTreeSet<usize>>,
        others: impl Fn(&BTreeSet<usize>) -> Others,
    ) -> bool {
        let Some(walled) = walled else {
            self.since = None;
            return false;
        };
        let quiet_for = self.since.get_or_insert_with(Instant::now).elapsed();
        quiet_for >= QUIET_FOR
            && match others(walled) {
                Others::Done => true,
                Others::Open => quiet_for >= QUIET_FOR_OTHERS,
                Others::Wait => false,
            }
    }
}
