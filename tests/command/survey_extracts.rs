//! Extracts of the survey, and tables as other programs save them: what is unusual about them is told, not refused.

use crate::support::sandbox::{Sandbox, read};
use crate::support::survey::SurveyFile;

/// Runs as many people of a file as the paper did, on the simulated provider, and checks what the head of the run and the report
/// say of the file.
#[track_caller]
fn check(content: &str, expected: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("wvs.csv", content);
    let flags =
        ["run", "--survey", "wvs.csv", "--users", "100", "--folds", "1", "--simulate", "--methods", "no-profile"];
    let said = sandbox.run(&flags).expect_success().stderr;
    let report = read(&sandbox.run_folder("runs"), "report.md");
    for text in [&said, &report] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        assert!(text.contains("sample: 100 respondents, drawn with seed 42"), "not the paper's hundred\n{text}");
    }
}

fn official() -> SurveyFile {
    SurveyFile::of(105).with_all("version", "6-0-0 (2024-04-30)")
}

#[test]
fn an_extract_is_called_one() {
    check(
        &official().text(),
        "survey: wvs.csv, 105 respondents, version \"6-0-0 (2024-04-30)\"; an extract: 105 of the 97,220 rows of the cross-national \
         file v6.0, so baselines and intervals are about these 105\n",
    );
}

#[test]
fn the_file_of_a_single_country_is_an_extract() {
    let text = official().with_all("version", "5-0-0").text_with(";").replace('\n', ";\n");
    check(
        &format!("\u{feff}{text}"),
        "an extract: 105 of the 94,278 rows of the cross-national file v5.0, so baselines and intervals are about these 105; fields \
         separated by `;`\n",
    );
}

#[test]
fn what_other_programs_write_is_counted_once() {
    let table =
        SurveyFile::of(105).with_all("version", "mine").with_all("Q1", "2.0").with(3, "Q2", "NA").with(4, "Q3", "");
    check(
        &format!("World Values Survey\n\n{}", table.text()),
        "version \"mine\"; 2 lines above the header skipped; 2 blank values taken as missing\n",
    );
}
