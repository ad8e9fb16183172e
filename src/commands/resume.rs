//! `valuesim resume`: lets a run that was paused go on.

use valuesim_shared::control::Wish;

use super::order;
use crate::exit::{Exit, Failure};

/// What `valuesim resume` takes.
pub(crate) type Flags = order::Flags;

/// Gives the order.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    order::give(flags, Wish::Go)
}
