//! Which run's call goes next: few calls are granted at a time, so that a run's part shows only over many grants.

use serde::{Deserialize, Serialize};

/// A run is owed, or owes, at most so many calls: one that wanted nothing has no claim to what others got meanwhile.
const MOST_OWED: f64 = 8.0;

/// By how many calls each run has got less than its part, in all workers together.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RunAccounts(Vec<(u64, f64)>);

impl RunAccounts {
    /// By how many calls a run has got less than its part; negative if it has got more.
    pub(super) fn owed(&self, run: u64) -> f64 {
        self.0.iter().find(|(known, _)| *known == run).map_or(0.0, |(_, owed)| *owed)
    }

    /// Records that a call of `run` was granted, of which the runs that want calls were due these parts. Forgets other runs.
    pub(super) fn granted(&mut self, run: u64, parts: &[(u64, f64)]) {
        let all: f64 = parts.iter().map(|(_, part)| part).sum();
        if parts.len() < 2 || all <= 0.0 || !all.is_finite() {
            self.0.clear();
            return;
        }
        let account = |&(of_run, part): &(u64, f64)| {
            let got = if of_run == run { 1.0 } else { 0.0 };
            (of_run, (self.owed(of_run) + part / all - got).clamp(-MOST_OWED, MOST_OWED))
        };
        self.0 = parts.iter().map(account).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_owed_most_comes_next_until_all_have_their_parts() {
        let (mut accounts, mut got) = (RunAccounts::default(), [0, 0]);
        for _ in 0..40 {
            let run = if accounts.owed(1) >= accounts.owed(2) { 1 } else { 2 };
            got[usize::try_from(run - 1).expect("small")] += 1;
            accounts.granted(run, &[(1, 1.0), (2, 3.0)]);
        }
        assert_eq!(got, [10, 30]);
        accounts.granted(1, &[(1, 7.0)]);
        assert_eq!((accounts.owed(1), accounts.owed(2)), (0.0, 0.0), "nobody else wants anything");
    }
}
