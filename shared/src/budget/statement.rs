//! What a worker of a fleet says of the money that it has for a run.

use serde::{Deserialize, Serialize};

use crate::money::NanoUsd;

/// A worker's statement. Amounts are sums since the purse was opened, so that a statement that is read twice changes nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Grows with each statement: one that does not change comes from a worker that is gone.
    pub number: u64,
    /// By model, in the experiment's order.
    pub models: Vec<Account>,
    /// Whether the worker sends no more calls from this purse.
    pub is_last: bool,
}

/// A worker's money for one model.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What calls that have ended cost.
    pub spent: NanoUsd,
    /// The most that calls in flight can cost.
    pub reserved: NanoUsd,
    /// The smallest amount that a waiting call needs; 0 if none waits.
    pub least: NanoUsd,
    /// What all waiting calls need.
    pub wanted: NanoUsd,
}

impl Account {
    /// The most that was spent, whatever becomes of the calls in flight.
    pub fn at_most(&self) -> NanoUsd {
        self.spent + self.reserved
    }
}

impl Statement {
    /// The account of a model; an empty one if the statement does not have it.
    pub fn account(&self, model: usize) -> Account {
        self.models.get(model).copied().unwrap_or_default()
    }

    /// Whether money was ever reserved or spent.
    pub fn is_used(&self) -> bool {
        self.models.iter().any(|account| account.at_most() > NanoUsd(0))
    }

    /// Whether calls wait for money.
    pub fn has_wants(&self) -> bool {
        self.models.iter().any(|account| account.least > NanoUsd(0))
    }
}
