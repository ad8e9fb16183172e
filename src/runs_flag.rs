//! The folder that holds the run folders, for commands on runs without servers.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use valuesim_shared::control::{Control as _, FolderControl};
use valuesim_shared::id::RunId;

use crate::exit::{Failure, OrUsage as _};
use crate::run_folder::RunFolder;

/// Where the runs without servers are.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub(crate) struct RunsFlag {
    /// The folder that contains the run folders, for a run of `valuesim run`
    #[arg(long, value_name = "DIR", env = "VALUESIM_RUNS", default_value = "runs", help_heading = "Run")]
    runs: PathBuf,
}

impl RunsFlag {
    /// The orders and reports of one run, and its id.
    pub(crate) async fn control_of(&self, run: &RunId) -> Result<(FolderControl, RunId), Failure> {
        let fleet = "for a run of a fleet, name its store with --store";
        let folder = RunFolder::find(&self.runs, Path::new(&run.0));
        let folder = folder.map_err(|error| anyhow!("{error}; {fleet}")).or_usage()?;
        let control = FolderControl::in_folder(folder.control());
        let begun = control.runs().await?.all.into_iter().next();
        let (about, _) = begun.ok_or_else(|| {
            let folder = folder.path().display();
            anyhow!("the run in {folder} was not started by this release of `valuesim run`; {fleet}")
        })?;
        Ok((control, about.run))
    }

    /// Lists the orders and reports of all runs, whenever it is called.
    pub(crate) fn into_controls(self) -> impl Fn() -> Vec<FolderControl> + Send + Sync + 'static {
        move || self.controls()
    }

    fn controls(&self) -> Vec<FolderControl> {
        let folders = std::fs::read_dir(&self.runs).into_iter().flatten().flatten();
        let controls = folders.map(|folder| RunFolder::at(folder.path()).control());
        let mut controls: Vec<PathBuf> = controls.filter(|control| control.is_dir()).collect();
        controls.sort_unstable();
        controls.into_iter().map(FolderControl::in_folder).collect()
    }
}
