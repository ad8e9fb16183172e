//! Makes a report to show to others from the results of one run or of several, in files of several formats.

use super::document::Document;
use super::lineup::Lineup;
use super::render::{csv::csv, html::html, latex::latex, markdown::markdown};
use super::sections::{
    appendix, bibliography, comparisons, coverage, figures, groups, methods, paper_tables, people, questions, sample,
};
use crate::provenance::SURVEY_DIGEST;
use crate::results::Results;
use crate::table::without_a_model;

/// The folder of the figures in that of a report.
const FIGURES: &str = "figures";

/// A format of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One page that needs nothing else: `report.html`.
    Html,
    /// `report.md`, which shows the figures' files.
    Markdown,
    /// A file for each table: `tables/*.csv`.
    Csv,
    /// All tables and the paragraph on methods, `tables.tex`, and `references.bib`.
    Latex,
    /// A file for each figure: `figures/*.svg`.
    Svg,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Html, Self::Markdown, Self::Csv, Self::Latex, Self::Svg];
}

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Its path in the report's folder, with `/` between folders.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Why results make no report.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// There are none.
    #[error("a report needs the results of at least one run")]
    NoRuns,
    /// The same run twice.
    #[error("run {0} is named twice: name each run once")]
    Twice(String),
    /// Two runs asked the people of different survey files.
    #[error(
        "runs {first} and {second} are of different survey files, and their numbers must not stand side by side: make a report of each"
    )]
    OtherSurvey {
        /// The first run.
        first: String,
        /// The run of another survey.
        second: String,
    },
}

/// The files of a report on these runs.
pub fn publish(runs: &[Results], formats: &[Format]) -> Result<Vec<ReportFile>, PublicationError> {
    check(runs)?;
    let lineup = Lineup::new(runs);
    let document = document(&lineup);
    let mut files = Vec::new();
    for format in Format::ALL.into_iter().filter(|format| formats.contains(format)) {
        files.extend(files_of(format, &document, &lineup));
    }
    let pictures_are_needed = formats.contains(&Format::Markdown) && !formats.contains(&Format::Svg);
    if pictures_are_needed {
        files.extend(files_of(Format::Svg, &document, &lineup));
    }
    Ok(files)
}

fn check(runs: &[Results]) -> Result<(), PublicationError> {
    let [first, others @ ..] = runs else { return Err(PublicationError::NoRuns) };
    for (at, run) in others.iter().enumerate() {
        if runs[..=at].iter().any(|known| known.run == run.run) {
            return Err(PublicationError::Twice(run.run.to_string()));
        }
        if survey(run) != survey(first) {
            let (first, second) = (first.run.to_string(), run.run.to_string());
            return Err(PublicationError::OtherSurvey { first, second });
        }
    }
    Ok(())
}

/// What the provenance says of the survey's codes; all of it, should a run have several.
fn survey(run: &Results) -> Vec<&str> {
    run.provenance.iter().filter_map(|line| line.strip_prefix(SURVEY_DIGEST)).collect()
}

pub(super) fn document(lineup: &Lineup<'_>) -> Document {
    let sections = [
        Some(paper_tables::section(lineup)),
        Some(figures::section(lineup)),
        comparisons::section(lineup),
        groups::section(lineup),
        questions::section(lineup),
        people::section(lineup),
        sample::section(lineup),
        Some(coverage::section(lineup)),
        Some(methods::section(lineup)),
        Some(appendix::section(lineup)),
    ];
    let mut document = Document {
        title: title(lineup),
        warnings: warnings(lineup),
        lead: lead(lineup),
        sections: sections.into_iter().flatten().collect(),
        bibliography: bibliography::bibliography(lineup),
    };
    // The paper's Tables 1 to 4 and Figures 2 and 3 keep their numbers.
    document.number(5, 4);
    document
}

fn title(lineup: &Lineup<'_>) -> String {
    let marks = lineup.marks();
    match lineup.runs {
        [run] if run.title == run.run.0 => format!("Run {}{marks}", run.title),
        [run] => format!("{}{marks}", run.title),
        runs => {
            let names: Vec<String> = runs.iter().map(|run| run.run.to_string()).collect();
            format!("Runs {} side by side{marks}", names.join(", "))
        }
    }
}

fn warnings(lineup: &Lineup<'_>) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    let several = lineup.runs.len() > 1;
    for run in lineup.runs {
        for warning in run.warnings() {
            let is_about_one = warning.starts_with("UNFINISHED") || warning.starts_with("FINISHED");
            let warning = if several && is_about_one { format!("{}: {warning}", run.run) } else { warning };
            warnings.extend((!warnings.contains(&warning)).then_some(warning));
        }
    }
    warnings
}

fn lead(lineup: &Lineup<'_>) -> Vec<String> {
    let several = lineup.runs.len() > 1;
    let of = |run: &Results| {
        let sentence = without_a_model(run)?;
        Some(if several { format!("Run {}: {sentence}", run.run) } else { sentence })
    };
    lineup.runs.iter().filter_map(of).collect()
}

fn files_of(format: Format, document: &Document, lineup: &Lineup<'_>) -> Vec<ReportFile> {
    let file = |path: &str, text: String| ReportFile { path: path.to_owned(), text };
    match format {
        Format::Html => vec![file("report.html", html(document))],
        Format::Markdown => vec![file("report.md", markdown(document, FIGURES))],
        Format::Csv => document
            .tables()
            .map(|table| file(&format!("tables/{}.csv", table.id), csv(table, lineup.marks())))
            .collect(),
        Format::Latex => vec![
            file("tables.tex", latex(document, &methods::paragraphs(lineup))),
            file("references.bib", document.bibliography.clone()),
        ],
        Format::Svg => {
            document.figures().map(|figure| file(&format!("{FIGURES}/{}.svg", figure.id), figure.wide.file())).collect()
        }
    }
}

#[cfg(test)]
mod tests;
