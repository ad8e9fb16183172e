//! `valuesim reopen`: opens finished or dead cells of a run again.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::id::Cell;

use super::dead::{cell, cell_name};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::redb_panic::guarded;
use crate::run_folder::RunFolder;

/// What `valuesim reopen` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run: its id, or the path of its folder
    run: PathBuf,

    /// The cells, each as MODEL/RESPONDENT/FOLD
    #[arg(required = true, value_name = "CELL", value_parser = cell)]
    cells: Vec<Cell>,

    /// The folder that holds the run folders
    #[arg(long, value_name = "DIR", env = "VALUESIM_RUNS", default_value = "runs")]
    runs: PathBuf,
}

/// Sets the rows of the cells aside in the ledger. Cells that it has no row of are named, and end it with [`Exit::Failed`].
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let folder = RunFolder::find(&flags.runs, &flags.run).or_usage()?;
    folder.check_unused().or_not_looked()?;
    folder.check_ledger_is_there().or_usage()?;
    let _lock = folder.lock().or_not_looked()?;
    let reopened = guarded(&folder, || {
        let run = Ledger::view(&folder.ledger())?.run()?;
        Ok(Ledger::open(&folder.ledger(), &run)?.reopen(&flags.cells)?)
    })?;
    for &cell in &reopened {
        print(&format!("{} is open again; its former rows are kept aside in the ledger\n", cell_name(cell)))?;
    }
    let unknown: Vec<String> =
        flags.cells.iter().filter(|cell| !reopened.contains(cell)).map(|&cell| cell_name(cell)).collect();
    if !unknown.is_empty() {
        return Err(
            anyhow!("neither finished nor dead, so open already or not of this run: {}", unknown.join(", ")).into()
        );
    }
    print("the same command as before asks for them again\n")?;
    Ok(Exit::Done)
}
