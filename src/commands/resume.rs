//! `valuesim resume`: resumes a paused run.

use valuesim_shared::control::DesiredState;

use super::control;
use crate::exit::{Exit, Failure};

/// What `valuesim resume` takes.
pub(crate) type Flags = control::Flags;

/// Gives the order.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    control::give(flags, DesiredState::Go)
}
