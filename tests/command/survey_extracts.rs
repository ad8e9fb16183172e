//! Extracts of the survey, and tables as other programs save them: what is unusual about them is told, not refused.

use serde_json::Value;

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

/// The same columns behind two others, as a database exports them.
#[test]
fn columns_in_front_change_nothing() {
    let text = official().text_with("\t");
    let behind: String = text
        .lines()
        .enumerate()
        .map(
            |(line, row)| {
                if line == 0 { format!("\"\"\toriginal_id\t{row}\n") } else { format!("{line}\t{line}\t{row}\n") }
            },
        )
        .collect();
    check(
        &behind,
        "an extract: 105 of the 97,220 rows of the cross-national file v6.0, so baselines and intervals are about these 105; fields \
         separated by tabs\n",
    );
}

/// The id of the person in a row, counted from 1. In the order of the rows, so that sums round alike.
fn id(row: u64) -> u64 {
    9_000_003 + 7 * row
}

#[test]
fn respondents_named_by_a_column_have_the_same_results_under_other_names() {
    let sandbox = Sandbox::new();
    let mut table = official().with_name("doi", "original_id");
    for row in 1..=105_u64 {
        let line = usize::try_from(row).unwrap() + 1;
        let answer = (1 + row % 2).to_string();
        let country = if row % 4 == 0 { "276" } else { "76" };
        table = table.with(line, "original_id", &id(row).to_string()).with(line, "B_COUNTRY", country);
        table = ["Q1", "Q57", "Q240", "Q260"].iter().fold(table, |table, question| table.with(line, question, &answer));
    }
    sandbox.write("wvs.csv", table.text());
    let run = |runs: &str, flags: &[&str]| {
        let run = ["run", "--survey", "wvs.csv", "--users", "9", "--folds", "1", "--simulate", "--methods", "no-cab"];
        let output = sandbox.run(&[&run[..], &["--by", "Q260", "--runs", runs], flags].concat()).expect_success();
        let folder = sandbox.run_folder(runs);
        sandbox.run(&["verify", folder.to_str().unwrap(), "--complete"]).expect_success();
        let rows = |what: &str| {
            let export = ["export", folder.to_str().unwrap(), "--what", what, "--format", "jsonl"];
            sandbox.run(&export).expect_success().events()
        };
        (output.stderr, read(&folder, "report.md"), rows("people"), rows("predictions"), rows("scores"), folder)
    };
    let by_row = run("rows", &[]);
    let by_id = run("ids", &["--id-column", "original_id"]);
    for text in [&by_id.0, &by_id.1] {
        assert!(text.contains("; respondents named by `original_id`"), "{text}");
    }
    let under_ids = |rows: &[Value]| -> Vec<String> {
        let mut rows: Vec<String> = rows
            .iter()
            .cloned()
            .map(|mut row| {
                row["respondent"] = id(row["respondent"].as_u64().unwrap()).into();
                row.to_string()
            })
            .collect();
        rows.sort();
        rows
    };
    let as_they_are = |rows: &[Value]| -> Vec<String> {
        let mut rows: Vec<String> = rows.iter().map(Value::to_string).collect();
        rows.sort();
        rows
    };
    assert_eq!(as_they_are(&by_id.2), under_ids(&by_row.2), "people");
    assert_eq!(as_they_are(&by_id.3), under_ids(&by_row.3), "predictions");
    assert!(as_they_are(&by_id.4) == as_they_are(&by_row.4), "the scores differ");
    assert_ne!(by_id.5.file_name(), by_row.5.file_name(), "the names are part of the identity");
    let somebody = by_id.2[0]["respondent"].to_string();
    sandbox.run(&["show", by_id.5.to_str().unwrap(), &somebody]).expect_success();
}
