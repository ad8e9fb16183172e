//! `valuesim cancel`: ends a run early.

use clap::Args;
use valuesim_shared::control::DesiredState;

use super::confirm::Confirm;
use super::control;
use crate::exit::{Exit, Failure, OrUsage as _};

/// What `valuesim cancel` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    control: control::Flags,

    #[command(flatten)]
    confirm: Confirm,
}

/// Gives the order.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    flags.confirm.check("this ends the run on all machines; finished cells are kept").or_usage()?;
    control::give(&flags.control, DesiredState::Cancel)
}
