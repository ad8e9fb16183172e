//! Asks whether something that cannot be undone is meant.

use anyhow::bail;
use clap::Args;

/// Whether something that cannot be undone is meant.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Confirm {
    /// Confirm; without it nothing is changed
    #[arg(long)]
    yes: bool,
}

impl Confirm {
    /// Fails unless it is meant.
    pub(super) fn check(&self, what: &str) -> anyhow::Result<()> {
        if !self.yes {
            bail!("{what}: say --yes if that is meant");
        }
        Ok(())
    }
}
