//! Time and memory for scanning a ledger with 28 million predictions before a run resumes.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use valuesim_coordinator::coordinator::Coordinator;
use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Users;
use valuesim_shared::id::{Cell, ModelId};
use valuesim_shared::manifest::Manifest;
use valuesim_shared::outcome::CellOutcome;
use valuesim_shared::queue::MemoryQueue;
use valuesim_shared::store::EmbeddedStore;

use crate::full_size::{experiment_of, outcome, run_id};
use crate::process::{finish, memory, this_program};
use crate::table::{Bound, Table};

/// Cells written to the ledger in one transaction.
const CELLS_PER_COMMIT: usize = 10_000;

/// The maximum duration of the scan, in seconds.
const MAX_SECONDS: f64 = 60.0;

/// The maximum memory of the scan in addition to the survey, in megabytes.
const MAX_MEMORY: f64 = 200.0;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.redb");
    let (_, _, plan) = experiment_of(Users::All)?;
    let start = Instant::now();
    fill(&path, &plan)?;
    let megabytes = std::fs::metadata(&path)?.len() as f64 / 1e6;
    println!("ledger of {} cells: {megabytes:.0} MB, written in {:.0} s", plan.cells(), start.elapsed().as_secs_f64());
    let (_, output) = finish(this_program(&["as-resume", &path.to_string_lossy()])?)?;
    let figures: Vec<f64> = output.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [seconds, bytes] = figures[..] else { anyhow::bail!("the scan printed {output:?}") };
    table.add("resume with 28 million predictions: scan, s", seconds, Bound::AtMost(MAX_SECONDS));
    table.add("resume with 28 million predictions: memory, MB", bytes / 1e6, Bound::AtMost(MAX_MEMORY));
    Ok(())
}

/// The role of the child process: opens the ledger, scans it for finished cells, and prints seconds and bytes.
pub(crate) fn run(path: &Path) -> anyhow::Result<()> {
    let (experiment, survey, plan) = experiment_of(Users::All)?;
    let manifest = Manifest::of(run_id(), &experiment, Codebook::built_in());
    // Resets the peak memory, which generating the survey has raised.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (start, before) = (Instant::now(), memory("self", "VmRSS")?);
    let ledger = Arc::new(Ledger::open(path, &run_id())?);
    let cells = plan.cells();
    let folder = tempfile::tempdir()?;
    let sides = (MemoryQueue::new(1), EmbeddedStore::open(&folder.path().join("store"))?);
    let coordinator = Coordinator::new(&manifest, Arc::new(plan), Arc::new(survey), ledger, sides, 1)?;
    let seconds = start.elapsed().as_secs_f64();
    anyhow::ensure!(coordinator.progress().cells_finished() == cells, "the scan missed cells");
    println!("{seconds} {}", memory("self", "VmHWM")? - before);
    Ok(())
}

fn fill(path: &Path, plan: &Plan) -> anyhow::Result<()> {
    let ledger = Ledger::open(path, &run_id())?;
    let cells: Vec<Cell> = plan.cells_of(ModelId(0)).collect();
    for some in cells.chunks(CELLS_PER_COMMIT) {
        let outcomes: Vec<CellOutcome> = some.iter().copied().map(outcome).collect();
        ledger.record(&outcomes)?;
    }
    Ok(())
}
