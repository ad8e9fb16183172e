//! Unusable survey files are reported with the exit code for a user's mistake.

use crate::support::sandbox::Sandbox;
use crate::support::survey::SurveyFile;

/// Runs the command on a file, and checks that the error contains all of `expected` and that no run started.
#[track_caller]
fn check(file: &str, content: Option<&[u8]>, expected: &[&str]) {
    let sandbox = Sandbox::new();
    if let Some(content) = content {
        sandbox.write(file, content);
    }
    let output = sandbox.run(&["run", "--survey", file, "--users", "1"]).expect_code(2);
    assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    output.check_error(expected);
    assert!(!sandbox.path("runs").exists(), "no run was started");
}

#[track_caller]
fn check_text(text: &str, expected: &[&str]) {
    check("wvs.csv", Some(text.as_bytes()), expected);
}

/// The file to download instead.
const WANTED: &str = "WVS_Cross-National_Wave_7_csv_v6_0.csv";

#[test]
fn a_missing_file() {
    check("wvs.csv", None, &["survey file wvs.csv does not exist", WANTED]);
}

#[test]
fn a_file_for_a_statistics_program() {
    check("wvs.sav", Some(b"$FL2@(#) SPSS DATA FILE"), &["wvs.sav is a file for SPSS", WANTED]);
}

#[test]
fn a_file_in_another_format() {
    check(
        "wvs.csv",
        Some(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        &["wvs.csv is not a survey file", "does not begin with UTF-8 text", WANTED],
    );
    check_text(
        "<!DOCTYPE html><html><body>Please log in</body></html>\n",
        &["wvs.csv is not a survey file", "web page", WANTED],
    );
    check_text(
        "a,b\n1,2\n",
        &["wvs.csv is not the cross-national file", "291 of its columns are missing, such as Q1, Q2", WANTED],
    );
}

#[test]
fn the_inverted_file() {
    let text = SurveyFile::of(2).with_name("Q1", "Q1P").with_name("Q58", "Q58P").text();
    check_text(&text, &["wvs.csv is the \"inverted\" file", "Q1P in place of Q1", WANTED]);
}

#[test]
fn a_column_that_names_no_respondents() {
    let check = |table: SurveyFile, column: &str, expected: &[&str]| {
        let sandbox = Sandbox::new();
        sandbox.write("wvs.csv", table.with_name("doi", "original_id").text());
        let run = ["run", "--survey", "wvs.csv", "--users", "1", "--id-column", column];
        sandbox.run(&run).expect_code(2).check_error(expected);
    };
    let named = || SurveyFile::of(3).with(2, "doi", "7").with(3, "doi", "9.0").with(4, "doi", "8");
    check(named(), "id", &["has no column \"id\""]);
    check(
        named().with(4, "doi", "9"),
        "original_id",
        &["wvs.csv, line 4, column original_id", "the respondent of line 3, too"],
    );
    for wrong in ["0", "-1", "", "x7", "1.5", "10000001"] {
        let expected = ["wvs.csv, line 3, column original_id", "expected whole numbers from 1 to 10000000"];
        check(named().with(3, "doi", wrong), "original_id", &expected);
    }
    let sandbox = Sandbox::new();
    sandbox
        .run(&["run", "--synthetic", "60", "--id-column", "x"])
        .expect_code(2)
        .check_error(&["--id-column", "--synthetic"]);
    sandbox.write("e.toml", "survey.id_column = 'x'");
    sandbox.run(&["run", "e.toml"]).expect_code(2).check_error(&["survey.id_column", "name the file, too"]);
    sandbox.write("wvs.csv", named().with_name("doi", "original_id").text());
    let listed = ["run", "--survey", "wvs.csv", "--id-column", "original_id", "--respondents", "1"];
    sandbox.run(&listed).expect_code(2).check_error(&["respondent 1 does not exist", "named by column `original_id`"]);
}

#[test]
fn a_truncated_file() {
    let text = SurveyFile::of(5).with_all("version", "6-0-0 (2024-04-30)").text();
    let cut = &text[..text.len() - 100];
    check_text(
        cut,
        &["wvs.csv is cut off or damaged", "its last row, line 6, has", "of 293 fields", "download it again"],
    );
}

#[test]
fn a_letter_in_a_question_column() {
    let text = SurveyFile::of(3).with(3, "Q57", "x").text();
    check_text(&text, &["wvs.csv, line 3, column Q57: \"x\" is not an integer code", "as it was downloaded?"]);
}

#[test]
fn a_code_that_is_not_an_option_of_the_question() {
    let text = SurveyFile::of(3).with(4, "Q57", "7").text();
    check_text(
        &text,
        &[
            "wvs.csv, line 4, column Q57: \"7\" is not a code of this question",
            "expected 1 to 2",
            "-1 to -5",
            "use a codebook",
        ],
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_and_a_device_are_named_for_what_they_are_and_not_waited_for() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for file in ["pipe.csv", "/dev/zero"] {
        let output = sandbox.run(&["run", "--survey", file, "--users", "1"]).expect_code(2);
        output.check_error(&[file, "is not a regular file but a pipe, a device or a socket"]);
    }
}
