//! Ends a run: scores it, writes its files, and prints its results.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use valuesim_coordinator::evaluation::{CALLS_FILE, PEOPLE_FILE, PREDICTIONS_FILE, SCORES_FILE};
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::report;
use valuesim_coordinator::results::Results;
use valuesim_coordinator::table;
use valuesim_shared::control::FolderControl;

use crate::commands::job::Job;
use crate::exit::{Exit, Failure};
use crate::output::{note, print, print_json};
use crate::progress::Style;
use crate::run_folder::{EXPERIMENT_FILE, LEDGER_FILE, RunFolder};

impl Job {
    /// Scores the finished cells of a run that goes on later, and prints the results.
    pub(super) fn score_so_far(
        &self,
        ledger: &Ledger,
        folder: &RunFolder,
        style: Style,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        if ledger.finished()?.next().is_none() {
            return Ok(());
        }
        let vectors = self.vectors(folder)?;
        let results = self.evaluated(ledger, vectors.as_ref()).evaluate(folder.path(), stop)?;
        report::write(folder.path(), &results)?;
        Ok(show_results(&results, folder.path(), style)?)
    }

    /// Scores the run, writes its files, and prints its results, unless `stop` is cancelled before.
    pub(super) fn conclude(
        &self,
        ledger: &Ledger,
        folder: &RunFolder,
        style: Style,
        stop: &CancellationToken,
    ) -> Result<Exit, Failure> {
        let vectors = self.vectors(folder)?;
        let results = match self.evaluated(ledger, vectors.as_ref()).evaluate(folder.path(), stop) {
            Err(error) if error.is_interruption() => {
                note("interrupted: all cells are finished and kept; the same command writes the results");
                return Ok(Exit::Interrupted);
            }
            evaluated => evaluated?,
        };
        report::write(folder.path(), &results)?;
        if let Err(error) = folder.remove_store() {
            note(&format!("could not remove the store of the finished run: {error}"));
        }
        if let Err(error) = FolderControl::in_folder(folder.control()).leave_the_record() {
            note(&format!("could not remove the orders and reports of the finished run: {error}"));
        }
        show_results(&results, folder.path(), style)?;
        Ok(Exit::Done)
    }
}

fn show_results(results: &Results, folder: &Path, style: Style) -> anyhow::Result<()> {
    let shown = match style {
        Style::Json => print_json(&serde_json::json!({ "event": "finished", "folder": folder, "results": results })),
        Style::Text => print(&format!("{}\n{}\n", table::text(results), files(folder))),
    };
    shown.map(drop)
}

fn files(folder: &Path) -> String {
    let about = [
        (report::REPORT_FILE, "the report"),
        (report::RESULTS_FILE, "all results"),
        (SCORES_FILE, "every score"),
        (PEOPLE_FILE, "every person's scores"),
        (PREDICTIONS_FILE, "every prediction"),
        (CALLS_FILE, "every call that was kept"),
        (LEDGER_FILE, "every finished cell"),
        (EXPERIMENT_FILE, "the experiment as it was run"),
    ];
    let line = |(file, what): (&str, &str)| -> String {
        let path: PathBuf = folder.join(file);
        format!("  {:<52} {what}\n", path.display())
    };
    let written = about.into_iter().filter(|(file, _)| folder.join(file).exists());
    let lines: String = written.map(line).collect();
    format!("Files\n{lines}")
}
