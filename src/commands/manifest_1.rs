//! Refuses a run of a release that asked more questions: its cells have answers to questions that this release does not ask.

use std::path::Path;

use anyhow::bail;
use valuesim_coordinator::run_id::run_id_with_manifest_1;
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::MANIFEST_VERSION;

use super::job::Job;
use crate::run_folder::RunFolder;

impl Job {
    /// Fails if the folder's run, `found`, is this experiment with manifest 1.
    pub(super) fn check_is_not_of_manifest_1(&self, found: &RunId, folder: &RunFolder) -> anyhow::Result<()> {
        if self.with_manifest_1().as_ref() == Some(found) {
            bail!("{}: use the release that made it; nothing was changed", self.has_manifest_1(folder));
        }
        Ok(())
    }

    /// Fails if `runs` has the folder of this experiment with manifest 1: a new run would pay for its cells again.
    pub(super) fn check_none_of_manifest_1_in(&self, runs: &Path) -> anyhow::Result<()> {
        let Some(former) = self.with_manifest_1() else { return Ok(()) };
        let folder = RunFolder::at(runs.join(&former.0));
        if folder.was_begun() {
            bail!(
                "{}: continue it with the release that made it, or pass another folder with --runs to ask and pay for everything again; nothing was changed",
                self.has_manifest_1(&folder)
            );
        }
        Ok(())
    }

    fn with_manifest_1(&self) -> Option<RunId> {
        run_id_with_manifest_1(&self.experiment, &self.plan, &self.survey, &self.codebook)
    }

    fn has_manifest_1(&self, folder: &RunFolder) -> String {
        let questions: Vec<String> = self.plan.not_asked().iter().map(ToString::to_string).collect();
        format!(
            "the run in {} has manifest 1, which asked {}; this program has manifest {MANIFEST_VERSION}, which does not",
            folder.path().display(),
            questions.join(", ")
        )
    }
}
