//! Amounts in the tables of others, and what is wrong with them.

use crate::price::TableError;

/// Dollars for a million tokens, without the last digits of a binary fraction.
pub(super) fn tidy(usd_per_million: f64) -> f64 {
    (usd_per_million * 1e6).round() / 1e6
}

/// An entry that cannot be used.
pub(super) fn wrong(model: &str, reason: impl Into<String>) -> TableError {
    TableError::entry(model, &reason.into())
}
