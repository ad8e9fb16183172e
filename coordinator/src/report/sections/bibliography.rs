//! What a report refers to, as BibTeX. Whatever this program does not know is marked, never invented.

use super::super::lineup::Lineup;
use super::methods::program;

/// The paper, the survey if it is a real one, and this program.
pub(crate) fn bibliography(lineup: &Lineup<'_>) -> String {
    let mut entries = vec![PAPER.to_owned()];
    if lineup.runs.iter().any(|run| !run.synthetic_survey) {
        entries.push(survey(&survey_version(lineup)));
    }
    entries.push(software(&program(lineup.runs)));
    entries.join("\n")
}

/// As `CITATION.cff` cites it.
const PAPER: &str = "@misc{valuesim,
  title = {ValueSim: Generating Backstories to Model Individual Value Systems},
  author = {Du, Bangde and Ye, Ziyi and Wu, Zhijing and Monika, Jankowska and Zhu, Shuqi and Ai, Qingyao and Zhou, Yujia and Liu, Yiqun},
  year = {2025},
  eprint = {2505.23827},
  archivePrefix = {arXiv},
  note = {Evaluated on World Values Survey respondents; reference code: SimVBG},
}
";

/// As `CITATION.cff` cites it, with the version that the data file gives.
fn survey(version: &str) -> String {
    format!(
        "@misc{{wvs7,
  title = {{World Values Survey: Round Seven - Country-Pooled Datafile}},
  author = {{Haerpfer, Christian and Inglehart, Ronald and Moreno, Alejandro and Welzel, Christian and Kizilova, Kseniya and Diez-Medrano, Jaime and Lagos, Marta and Norris, Pippa and Ponarin, Eduard and Puranen, Bi}},
  year = {{2022}},
  publisher = {{JD Systems Institute \\& WVSA Secretariat}},
  address = {{Madrid and Vienna}},
  doi = {{10.14281/18241.24}},
  note = {{The reference is that of version 6.0; the data file says version {version}}},
}}
"
    )
}

fn software(version: &str) -> String {
    format!(
        "@misc{{valuesim-software,
  title = {{valuesim}},
  author = {{{{The valuesim authors}}}},
  note = {{Version {version}}},
}}
"
    )
}

/// The survey's version as the data file gives it, without what BibTeX would read as more than words.
fn survey_version(lineup: &Lineup<'_>) -> String {
    let mut lines = lineup.runs.iter().flat_map(|run| &run.provenance);
    let version = lines.find_map(|line| line.strip_prefix("survey version: ")).unwrap_or("[COMPLETE: version]");
    version.chars().filter(|c| c.is_alphanumeric() || " .,:()[]/-".contains(*c)).collect()
}
