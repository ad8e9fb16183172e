//! `valuesim verify`: checks the files of a run, and changes nothing.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use valuesim_coordinator::ledger::{Ledger, LedgerError};
use valuesim_coordinator::verify::{self, Check, Subject, Verification};

use super::job::Job;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::{print, print_json};
use crate::redb_panic::guarded;
use crate::run_folder::{EXPERIMENT_FILE, LEDGER_FILE, RunFolder};

/// What `valuesim verify` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run: its id, or the path of its folder
    run: PathBuf,

    /// The folder that holds the run folders
    #[arg(long, value_name = "DIR", env = "VALUESIM_RUNS", default_value = "runs")]
    runs: PathBuf,

    /// The survey file's current path, if it was moved since the run
    #[arg(long, value_name = "FILE", env = "VALUESIM_SURVEY")]
    survey: Option<PathBuf>,

    /// Also fail if the run is sound but not finished
    #[arg(long)]
    complete: bool,

    /// Write the checks as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Makes all checks and prints them. Exits with [`Exit::Failed`] if anything is wrong, and with [`Exit::NotLooked`] if nothing
/// could be checked.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let folder = RunFolder::find(&flags.runs, &flags.run).or_usage()?;
    folder.check_unused().or_not_looked()?;
    let job = flags.job(&folder)?;
    let verification = verified(&job, &folder)?;
    show(flags, &verification)?;
    let is_good = verification.sound && (verification.complete || !flags.complete);
    Ok(if is_good { Exit::Done } else { Exit::Failed })
}

impl Flags {
    /// The run's experiment with its survey, wherever the survey is now.
    fn job(&self, folder: &RunFolder) -> Result<Job, Failure> {
        let mut experiment = folder.experiment()?;
        let original = experiment.survey.file.clone();
        if let Some(moved) = &self.survey {
            experiment.survey.file = Some(self.moved_survey(original.is_some(), moved).or_usage()?);
        }
        let mut job = Job::prepare(experiment).map_err(|failure| Failure {
            error: failure.error.context("plan the run again (pass the current path of its survey with --survey FILE)"),
            ..failure
        })?;
        // The report names the file as it was named when the run was made.
        job.experiment.survey.file = original;
        Ok(job)
    }

    fn moved_survey(&self, had_file: bool, moved: &std::path::Path) -> anyhow::Result<PathBuf> {
        if !had_file {
            bail!(
                "--survey: the run {} uses a synthetic survey, which is generated again; omit --survey",
                self.run.display()
            );
        }
        Ok(moved.to_owned())
    }
}

/// A damaged ledger is a failed check; one that cannot be inspected is an error.
fn verified(job: &Job, folder: &RunFolder) -> Result<Verification, Failure> {
    let looked = guarded(folder, || {
        let ledger = Ledger::view(&folder.ledger())?;
        if let Err(refusal) = job.check_is_not_of_manifest_1(&ledger.run()?, folder) {
            return Ok(Err(refusal).or_not_looked());
        }
        let job = job.so_far(&ledger)?;
        // A file that cannot be read is a check of its own.
        let vectors = job.vectors(folder).ok().flatten();
        let subject = Subject {
            evaluated: job.evaluated(&ledger, vectors.as_ref()),
            folder: folder.path(),
            sources: &[LEDGER_FILE, EXPERIMENT_FILE],
            provenance: &job.provenance(),
        };
        Ok(Ok(verify::verify(&subject)?))
    });
    looked.unwrap_or_else(|failure| {
        let ledger = failure.error.downcast_ref::<LedgerError>();
        if ledger.is_some_and(LedgerError::prevents_looking) {
            return Err(failure.error).or_not_looked();
        }
        Ok(Verification::of_unreadable(&job.run, job.plan.cells(), format!("{:#}", failure.error)))
    })
}

fn show(flags: &Flags, verification: &Verification) -> anyhow::Result<()> {
    let shown = if flags.json { print_json(verification) } else { print(&text(verification)) };
    shown.map(drop)
}

fn text(verification: &Verification) -> String {
    let mut text = format!("Run {}\n", verification.run);
    for check in &verification.checks {
        text += &lines(check);
    }
    text + &verdict(verification) + "\n"
}

fn lines(check: &Check) -> String {
    let name = check.name;
    if check.is_sound() {
        return format!("  ok     {name:<17} {}\n", check.said);
    }
    let mut text = String::new();
    for problem in &check.problems {
        writeln!(text, "  WRONG  {name:<17} {problem}").expect("writing to memory does not fail");
    }
    if check.more_problems > 0 {
        text += &format!("  WRONG  {name:<17} and {} more\n", check.more_problems);
    }
    text
}

fn verdict(verification: &Verification) -> String {
    let Verification { cells_planned: planned, cells_finished: finished, cells_dead: dead, .. } = verification;
    if !verification.sound {
        let wrong = verification.checks.iter().filter(|check| !check.is_sound()).count();
        return format!("NOT SOUND: {wrong} of {} checks failed", verification.checks.len());
    }
    match verification.first_open {
        Some(cell) => format!("unfinished: {} of {planned} cells open, the first: {cell}", planned - finished - dead),
        None if !verification.complete => "unfinished: the results are not written".to_owned(),
        None if *dead > 0 => format!("sound and complete, with {dead} dead cells that are in no score"),
        None => "sound and complete".to_owned(),
    }
}
