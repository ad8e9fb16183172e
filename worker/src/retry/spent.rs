//! What the attempts at a call have used so far.

use valuesim_shared::outcome::{StageSpend, UncertainSpend};

/// What the attempts at a call have used so far.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pub(super) spend: StageSpend,
    /// Failed attempts that the provider may have billed.
    pub(super) perhaps_billed: u64,
}

impl Spent {
    pub(super) fn failed(&mut self, perhaps_billed: bool, uncertain: &UncertainSpend) {
        self.spend.failed += 1;
        if perhaps_billed {
            self.perhaps_billed += 1;
            self.spend.unsure.add(uncertain);
        }
    }
}
