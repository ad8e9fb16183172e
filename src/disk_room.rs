//! How much room a run needs on the disk, and how much there is.

use std::io;
use std::path::Path;

use valuesim_coordinator::estimate::Estimate;
use valuesim_coordinator::plan::Plan;
use valuesim_shared::experiment::Experiment;

/// What every run needs, in bytes: a segment of its store's log, and its results.
const OF_A_RUN: u64 = 100 << 20;

/// What a finished cell takes in ledger and tables, in bytes; a run of 100 cells takes 5,600 for each.
const OF_A_CELL: u64 = 8_000;

/// What the transcript of a call takes in ledger and table, in bytes; a run of 17,000 calls takes 550 for each.
const OF_A_TRANSCRIPT: u64 = 1_000;

/// About how many bytes a run needs.
pub(crate) fn needed(experiment: &Experiment, plan: &Plan, estimate: &Estimate) -> u64 {
    let calls: u64 = estimate.models.iter().map(|model| model.calls.likely).sum();
    let of_transcripts = if experiment.transcripts { calls.saturating_mul(OF_A_TRANSCRIPT) } else { 0 };
    OF_A_RUN.saturating_add(plan.cells().saturating_mul(OF_A_CELL)).saturating_add(of_transcripts)
}

/// The bytes of the files that a run's folder already has.
pub(crate) fn used(run: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(run) else { return 0 };
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok());
    files.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// The bytes that are free where `folder` is, or will be.
///
/// # Errors
/// If the file system does not tell.
pub(crate) fn free(folder: &Path) -> io::Result<u64> {
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or_else(|| Path::new("."));
    free_at(if existing.as_os_str().is_empty() { Path::new(".") } else { existing })
}

#[cfg(unix)]
fn free_at(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_at(_: &Path) -> io::Result<u64> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// What to say at the head of a run if its disk has too little room.
pub(crate) fn warning(folder: &Path, needed: u64) -> Option<String> {
    let free = free(folder).ok().filter(|free| *free < needed)?;
    Some(format!(
        "the disk of {} has {} free, and the run needs about {}: make room, or put the runs elsewhere with --runs",
        folder.display(),
        shown(free),
        shown(needed)
    ))
}

/// Bytes for people.
pub(crate) fn shown(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_needs_more_than_there_is_is_told() {
        let here = Path::new("no/such/folder");
        assert!(free(here).expect("is told") > 0, "of the nearest folder that exists");
        assert_eq!(warning(here, 0), None);
        let said = warning(here, u64::MAX).expect("no disk is so large");
        assert!(said.contains("no/such/folder") && said.contains("--runs"), "{said}");
    }

    #[test]
    fn sizes_are_shown_in_megabytes_and_gigabytes() {
        assert_eq!([0, 12_345_678, 1_250_000_000].map(shown), ["0 MB", "12 MB", "1.2 GB"]);
    }
}
