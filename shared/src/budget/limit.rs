//! A limit of what calls may cost, and what is said when much of it is used.

use crate::money::NanoUsd;

/// The shares of a budget whose use is told, in percent.
const TOLD_PERCENT: [u64; 3] = [50, 80, 95];

/// Which part of a run a purse pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurseLimit {
    /// What the purse is for, as messages name it: `the run`, `model "m"`.
    pub name: String,
    /// The most that may be spent from it.
    pub limit: NanoUsd,
    /// What was spent before.
    pub spent: NanoUsd,
    /// The models that it pays for, by their place in the experiment.
    pub models: Vec<usize>,
}

impl PurseLimit {
    /// The highest of the shares that are told of which `spent` has used more than `told_before` percent, and its warning.
    pub fn warning(&self, spent: NanoUsd, told_before: u64) -> Option<(u64, String)> {
        let percent = told(spent, self.limit).filter(|percent| *percent > told_before)?;
        Some((percent, warning(percent, self.limit, &self.name)))
    }
}

/// What is said when much of a budget is used.
pub(super) fn warning(percent: u64, limit: NanoUsd, name: &str) -> String {
    format!("warning: {percent} % of the budget of {limit} for {name} are used")
}

/// The highest of the told shares that is used.
pub(super) fn told(spent: NanoUsd, limit: NanoUsd) -> Option<u64> {
    let is_used = |percent: &u64| u128::from(spent.0) * 100 >= u128::from(limit.0) * u128::from(*percent);
    TOLD_PERCENT.into_iter().rfind(is_used)
}
