//! Asks for confirmation of actions that cannot be undone.

use anyhow::bail;
use clap::Args;

/// Whether an action that cannot be undone is confirmed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Confirm {
    /// Confirm; without it nothing is changed
    #[arg(long)]
    yes: bool,
}

impl Confirm {
    /// Fails unless it is confirmed.
    pub(super) fn check(&self, what: &str) -> anyhow::Result<()> {
        if !self.yes {
            bail!("{what}: pass --yes to confirm");
        }
        Ok(())
    }
}
