//! `valuesim cancel`: ends a run before it is finished.

use clap::Args;
use valuesim_shared::control::Wish;

use super::order;
use super::sure::Sure;
use crate::exit::{Exit, Failure, OrUsage as _};

/// What `valuesim cancel` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    order: order::Flags,

    #[command(flatten)]
    sure: Sure,
}

/// Gives the order.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    flags.sure.check("this ends the run on all machines").or_usage()?;
    order::give(&flags.order, Wish::Cancel)
}
