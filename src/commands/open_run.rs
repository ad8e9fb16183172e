//! Opens a run for reading: its experiment, survey and ledger.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use valuesim_coordinator::evaluation::Evaluated;
use valuesim_coordinator::ledger::Ledger;

use super::job::Job;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::redb_panic::guarded;
use crate::run_folder::RunFolder;

/// Which run, and where it is.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The run: its id, or the path of its folder
    run: PathBuf,

    /// The survey file's current path, if it was moved since the run
    #[arg(long, value_name = "FILE", env = "VALUESIM_SURVEY", help_heading = "Run")]
    survey: Option<PathBuf>,

    /// The folder that holds the run folders
    #[arg(long, value_name = "DIR", env = "VALUESIM_RUNS", default_value = "runs", help_heading = "Run")]
    runs: PathBuf,
}

impl Which {
    /// Whether an existing file is one of the run's own, in its folder.
    pub(super) fn has(&self, file: &Path) -> bool {
        let Ok(folder) = RunFolder::find(&self.runs, &self.run) else { return false };
        let (file, folder) = (file.canonicalize(), folder.path().canonicalize());
        file.ok().zip(folder.ok()).is_some_and(|(file, folder)| file.starts_with(folder))
    }

    /// Opens the run, and calls `look` with it.
    pub(super) fn view(&self, look: impl FnOnce(&Evaluated<'_>) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
        let folder = RunFolder::find(&self.runs, &self.run).or_usage()?;
        folder.check_unused().or_not_looked()?;
        let mut experiment = folder.experiment()?;
        if let Some(survey) = &self.survey {
            experiment.survey.file = Some(survey.clone());
            experiment.survey.synthetic = None;
        }
        let job = Job::prepare(experiment)?;
        guarded(&folder, || {
            let ledger = Ledger::view(&folder.ledger())?;
            let found = ledger.run()?;
            job.check_is_not_of_manifest_1(&found, &folder).or_usage()?;
            if found != job.run {
                let folder = folder.path().display();
                let advice =
                    "pass the survey file of the run with --survey, and use the release and the codebook that made it";
                return Err(anyhow!(
                    "the run in {folder} is {found}, but its experiment on this survey is run {}: {advice}",
                    job.run
                ))
                .or_usage();
            }
            let job = job.so_far(&ledger)?;
            let vectors = job.vectors(&folder)?;
            look(&job.evaluated(&ledger, vectors.as_ref()))
        })
    }
}
