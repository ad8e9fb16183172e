//! Looks for what earlier runs have of a run's cells, and says what that saves.

use indicatif::HumanCount;
use serde::Serialize;
use valuesim_coordinator::estimate::Estimate;
use valuesim_coordinator::kept_replies::{EarlierRun, KeptReplies, OwnCells};
use valuesim_shared::cell;
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;

use super::job::Job;
use super::run::Flags;
use crate::exit::Failure;
use crate::output::note;
use crate::redb_panic::guarded;
use crate::run_folder::RunFolder;

/// What one earlier run saves.
#[derive(Debug, Serialize)]
pub(super) struct Reuse<'a> {
    /// The earlier run.
    pub(super) run: &'a RunId,
    /// Cells of this run of which it has replies, beside those that are taken from earlier runs as they are.
    pub(super) cells: u64,
    /// About how many calls are not made again.
    pub(super) calls: u64,
    /// What they would cost at list price; `None` if a price is unknown.
    pub(super) cost: Option<NanoUsd>,
    /// Finished cells that are taken from it as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) taken: Option<Taken>,
}

/// The cells that are taken from an earlier run.
#[derive(Debug, Serialize)]
pub(super) struct Taken {
    pub(super) cells: u64,
    /// The replies that they came from.
    pub(super) replies: u64,
    /// What their calls cost then; `None` if a price is unknown.
    pub(super) cost: Option<NanoUsd>,
}

/// What the runs in the folder `runs` have of the job's cells. A run that cannot be read now is left out: one
/// at work, and one of another release. Nothing with `--no-reuse`.
pub(super) fn kept_replies(job: &Job, flags: &Flags) -> KeptReplies {
    if flags.no_reuse {
        return KeptReplies::default();
    }
    let runs = &flags.runs;
    let own = own_cells(job, &RunFolder::at(runs.join(&job.run.0)));
    if own.are_all_of(&job.plan) {
        return KeptReplies::default();
    }
    let Ok(entries) = std::fs::read_dir(runs) else { return KeptReplies::default() };
    let folders = entries.filter_map(|entry| Some(RunFolder::at(entry.ok()?.path())));
    let others = folders.filter(|folder| folder.path().file_name().is_some_and(|name| name != job.run.0.as_str()));
    KeptReplies::of(others.filter_map(|folder| earlier_run(job, &folder, &own)).collect())
}

/// The cells for which the run uses nothing of earlier ones. Whatever keeps its ledger from being read is said when the run opens it.
fn own_cells(job: &Job, folder: &RunFolder) -> OwnCells {
    if !is_readable(folder) {
        return OwnCells::default();
    }
    guarded(folder, || Ok(OwnCells::read(&folder.ledger(), &job.plan)?)).unwrap_or_default()
}

fn earlier_run(job: &Job, folder: &RunFolder, own: &OwnCells) -> Option<EarlierRun> {
    if !is_readable(folder) {
        return None;
    }
    let experiment = folder.experiment().ok()?;
    let present = (&job.experiment, &job.provenance(), &*job.plan);
    let found = guarded(folder, || Ok(EarlierRun::find((&folder.ledger(), &experiment), present, own)?));
    found.unwrap_or_else(|Failure { error, .. }| {
        let folder = folder.path().display();
        note(&format!("warning: the cells and replies kept in {folder} are not used: {error:#}"));
        None
    })
}

/// Whether a run was begun in the folder, and no process works in it.
fn is_readable(folder: &RunFolder) -> bool {
    folder.was_begun() && folder.ledger().exists() && folder.check_unused().is_ok()
}

impl Reuse<'_> {
    /// For people: what is taken from the earlier run, and what else it has of the `planned` cells.
    pub(super) fn texts(&self, planned: u64) -> Vec<String> {
        let Reuse { run, cells, calls, cost, taken } = self;
        let planned = HumanCount(planned);
        let mut texts = Vec::new();
        if let Some(taken) = taken {
            let [cells, replies] = [taken.cells, taken.replies].map(HumanCount);
            let cost = taken.cost.map_or_else(|| format!("{replies} calls"), |cost| format!("{cost}"));
            texts.push(format!(
                "reuse: {cells} of {planned} cells are taken from run {run}, saving about {cost} (--no-reuse makes their calls again)"
            ));
        }
        if *cells > 0 {
            let [cells, calls] = [*cells, *calls].map(HumanCount);
            let cost = cost.map_or_else(String::new, |cost| format!(" and {cost} at list price"));
            texts.push(format!(
                "reuse: run {run} has kept the replies of {cells} of the {planned} cells, which saves about {calls} calls{cost} \
                 (--no-reuse makes them again)"
            ));
        }
        texts
    }
}

/// What each of the runs saves from which the job reuses something.
pub(super) fn reuses<'a>(job: &'a Job, estimate: &Estimate) -> Vec<Reuse<'a>> {
    job.kept.runs().iter().map(|run| saved(run, job, estimate)).collect()
}

/// What the replies of one earlier run save, if no other run has them.
fn saved<'a>(run: &'a EarlierRun, job: &Job, estimate: &Estimate) -> Reuse<'a> {
    let stages = cell::stages(run.methods());
    let share = |calls: u64| calls.saturating_mul(run.cells()) / job.plan.cells().max(1);
    let (mut calls, mut cost) = (0, Some(NanoUsd(0)));
    for model in &estimate.models {
        for stage in model.stages.iter().filter(|stage| stages.contains(&stage.stage)) {
            let of_stage = share(stage.calls.likely);
            calls += of_stage;
            let price = stage.cost.map(|all| all.likely.share(of_stage, stage.calls.likely));
            cost = cost.zip(price).map(|(cost, price)| cost + price);
        }
    }
    Reuse { run: run.run(), cells: run.cells(), calls, cost, taken: taken(run, job) }
}

fn taken(run: &EarlierRun, job: &Job) -> Option<Taken> {
    let (cells, paid) = run.taken();
    let is_priced = job.experiment.models.iter().all(|model| model.price.is_some());
    (cells > 0).then(|| Taken { cells, replies: paid.replies, cost: Some(paid.cost).filter(|_| is_priced) })
}
