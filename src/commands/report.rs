//! `valuesim report`: a report to show to others, on one run or on several side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use valuesim_coordinator::report::{Format, RESULTS_FILE, ReportFile, publish};
use valuesim_coordinator::results::Results;
use valuesim_shared::fresh_file;

use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::run_folder::RunFolder;

/// The report's folder in a run folder.
const REPORT_FOLDER: &str = "report";

/// What `valuesim report` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The runs, of one survey file: each by its id, or the path of its folder
    #[arg(required = true, value_name = "RUN")]
    names: Vec<PathBuf>,

    /// The folder to write to; files of an earlier report are overwritten [default: `report` in the run folder; with
    /// several runs, `report-RUN-RUN` beside their folders]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,

    /// The formats to write [default: all]
    #[arg(long, value_enum, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<How>,

    /// The folder that holds the run folders
    #[arg(long, value_name = "DIR", env = "VALUESIM_RUNS", default_value = "runs", help_heading = "Run")]
    runs: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// `report.html`, one page that needs no other file and no network
    Html,
    /// `report.md` with its figures
    Markdown,
    /// `tables/*.csv`, a file for each table, with unrounded numbers
    Csv,
    /// `tables.tex` and `references.bib`, for a paper
    Latex,
    /// `figures/*.svg`, a file for each figure
    Svg,
}

impl From<How> for Format {
    fn from(how: How) -> Self {
        match how {
            How::Html => Self::Html,
            How::Markdown => Self::Markdown,
            How::Csv => Self::Csv,
            How::Latex => Self::Latex,
            How::Svg => Self::Svg,
        }
    }
}

/// Writes the report.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let folders = flags.names.iter().map(|name| RunFolder::find(&flags.runs, name));
    let folders = folders.collect::<anyhow::Result<Vec<_>>>().or_usage()?;
    let results = folders.iter().map(|folder| read(folder.path())).collect::<anyhow::Result<Vec<_>>>()?;
    let files = publish(&results, &flags.formats()).or_usage()?;
    let output = flags.output(&folders, &results);
    if output.join(RESULTS_FILE).exists() {
        let output = output.display();
        return Err(anyhow!("{output} is a run folder, whose own report.md must stay: name another with --output"))
            .or_usage();
    }
    for file in &files {
        write(&output, file)?;
    }
    print(&listing(&output, &files))?;
    Ok(Exit::Done)
}

impl Flags {
    fn formats(&self) -> Vec<Format> {
        if self.format.is_empty() { Format::ALL.to_vec() } else { self.format.iter().map(|&how| how.into()).collect() }
    }

    fn output(&self, folders: &[RunFolder], results: &[Results]) -> PathBuf {
        match (&self.output, folders) {
            (Some(output), _) => output.clone(),
            (None, [folder]) => folder.path().join(REPORT_FOLDER),
            (None, _) => {
                let runs: Vec<String> = results.iter().map(|run| run.run.to_string()).collect();
                self.runs.join(format!("{REPORT_FOLDER}-{}", runs.join("-")))
            }
        }
    }
}

fn read(folder: &Path) -> anyhow::Result<Results> {
    let path = folder.join(RESULTS_FILE);
    let json = std::fs::read_to_string(&path).with_context(|| {
        format!("read {} (it is there once the run has finished: give its command again)", path.display())
    })?;
    Results::from_json(&json).with_context(|| format!("read {}", path.display()))
}

/// A reader sees either the old file or the new one, never a partial one.
fn write(folder: &Path, file: &ReportFile) -> anyhow::Result<()> {
    let path = folder.join(&file.path);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).with_context(|| format!("make the folder {}", parent.display()))?;
    let unfinished = path.with_extension("unfinished");
    fresh_file::write(&unfinished, &file.text)
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .with_context(|| format!("write {}", path.display()))
}

/// The files that a reader opens, and how many of each kind are beside them.
fn listing(output: &Path, files: &[ReportFile]) -> String {
    let mut lines = vec!["Files".to_owned()];
    let about = [
        ("report.html", "the report as one page"),
        ("report.md", "the report as Markdown"),
        ("tables.tex", "its tables and methods as LaTeX"),
        ("references.bib", "what it refers to, as BibTeX"),
    ];
    for (name, what) in about.iter().filter(|(name, _)| files.iter().any(|file| file.path == *name)) {
        lines.push(format!("  {:<52} {what}", output.join(name).display().to_string()));
    }
    for (folder, what) in [("tables/", "tables as CSV"), ("figures/", "figures as SVG")] {
        let count = files.iter().filter(|file| file.path.starts_with(folder)).count();
        if count > 0 {
            lines.push(format!("  {:<52} {count} {what}", output.join(folder).display().to_string()));
        }
    }
    lines.join("\n") + "\n"
}
