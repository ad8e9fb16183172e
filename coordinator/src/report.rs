//! Writes a run's results for programs and people: `results.json` and `report.md`; and reports to show to others.

mod document;
mod evaluation;
#[cfg(test)]
mod fixture;
mod lineup;
mod markdown;
mod markdown_table;
mod publication;
mod render;
mod sections;
mod words;

use std::path::{Path, PathBuf};

use valuesim_shared::fresh_file;

use crate::results::Results;

pub use markdown::markdown;
pub use publication::{Format, PublicationError, ReportFile, publish};

/// The name of the results file in a run folder.
pub const RESULTS_FILE: &str = "results.json";

/// The name of the report in a run folder.
pub const REPORT_FILE: &str = "report.md";

/// A file of the report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write {}: {source}", .path.display())]
pub struct ReportError {
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: std::io::Error,
}

/// Writes both files into `folder`. A reader sees either the old file or the new one, never a partial one.
pub fn write(folder: &Path, results: &Results) -> Result<(), ReportError> {
    replace(&folder.join(RESULTS_FILE), &results.to_json())?;
    replace(&folder.join(REPORT_FILE), &markdown(results))
}

fn replace(path: &Path, text: &str) -> Result<(), ReportError> {
    let unfinished = path.with_extension("unfinished");
    fresh_file::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(|source| ReportError { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
