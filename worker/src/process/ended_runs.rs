//! Remembers the runs that were seen to end until this process has left them: by then they may have begun again.

use std::collections::BTreeSet;

use valuesim_shared::id::RunId;

/// The runs that have ended and that this process had not left yet.
#[derive(Debug, Default)]
pub(super) struct EndedRuns(BTreeSet<RunId>);

impl EndedRuns {
    /// Takes in the runs that have `ended` by now. Returns those that have ended, now or before, and that this process serves no more.
    pub(super) fn left<'a>(
        &mut self,
        ended: impl Iterator<Item = &'a RunId>,
        is_served: impl Fn(&RunId) -> bool,
    ) -> BTreeSet<RunId> {
        self.0.extend(ended.cloned());
        let (served, left) = std::mem::take(&mut self.0).into_iter().partition(is_served);
        self.0 = served;
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_begins_again_before_it_is_left_has_ended_all_the_same() {
        let run = RunId("r1".to_owned());
        let mut ended_runs = EndedRuns::default();
        let mut left = |ended: bool, served: bool| {
            !ended_runs.left(Some(&run).into_iter().filter(|_| ended), |_| served).is_empty()
        };
        assert!(!left(false, true), "it has not ended");
        assert!(!left(true, true), "its calls in flight are finished first");
        assert!(!left(false, true), "it has begun again meanwhile");
        assert!(left(false, false));
        assert!(!left(false, false), "once is enough");
        assert!(left(true, false), "it ended while others served it");
    }
}
