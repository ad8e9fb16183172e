//! `valuesim pause`: lets a run make no new calls.

use valuesim_shared::control::Wish;

use super::order;
use crate::exit::{Exit, Failure};

/// What `valuesim pause` takes.
pub(crate) type Flags = order::Flags;

/// Gives the order.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    order::give(flags, Wish::Pause)
}
