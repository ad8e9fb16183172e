//! Invalid flags, files and selections are reported with the exit code for a user's mistake.

use crate::support::sandbox::Sandbox;

/// Runs the command beside these files, and checks that the error contains all of `expected` and that no run started.
#[track_caller]
fn check_with(files: &[(&str, &str)], arguments: &[&str], expected: &[&str]) {
    let sandbox = Sandbox::new();
    for (file, content) in files {
        sandbox.write(file, content);
    }
    let output = sandbox.run(arguments).expect_code(2);
    assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    output.check_error(expected);
    assert!(!sandbox.path("runs").exists(), "no run was started");
}

#[track_caller]
fn check(arguments: &[&str], expected: &[&str]) {
    check_with(&[], arguments, expected);
}

#[test]
fn a_respondent_that_does_not_exist() {
    let arguments = ["run", "--synthetic", "60", "--respondents", "5,61"];
    check(&arguments, &["respondent 61 does not exist", "rows 1 to 60"]);
    check(&["run", "--respondents", "0"], &["'0'", "a row number: a whole number, counted from 1"]);
}

#[test]
fn more_users_than_the_selection_has() {
    let arguments = ["run", "--synthetic", "60", "--users", "61"];
    check(&arguments, &["61 respondents requested, but the selection has only 60", "at most 60, or `all`"]);
}

#[test]
fn an_empty_selection() {
    let arguments = ["run", "--synthetic", "60", "--respondents", "1", "--countries", "ZWE"];
    check(&arguments, &["no respondents to simulate", "nobody in the selection lives in ZWE"]);
    check(&["run", "--countries", "Atlantis"], &["unknown country \"Atlantis\"", "such as DEU or 276"]);
}

#[test]
fn an_invalid_flag_value() {
    check(&["run", "--users", "some"], &["'some'", "--users <N>", "a whole number above 0, or `all`"]);
    check(&["run", "--folds", "0"], &["'0'", "--folds", "a whole number, counted from 1"]);
    check(&["run", "--folds", "6"], &["there is no fold 6; expected 1 to 5"]);
    check(
        &["run", "--methods", "magic"],
        &["'magic'", "--methods", "no-profile, full-info, rag, no-cab", "combined, valuesim or profile-scale(N)"],
    );
    check(&["run", "--behaviour", "better"], &["'better'", "--behaviour", "`paper` or `corrected`"]);
    check(&["run", "--budget", "-1"], &["'-1'", "--budget", "an amount of US dollars above 0"]);
    check(&["run", "--calls-in-flight", "0"], &["limits.calls_in_flight 0", "expected 1 to"]);
    check(&["run", "--colour"], &["unexpected argument '--colour'", "Usage: valuesim run"]);
}

#[test]
fn mutually_exclusive_flags() {
    check(&["run", "--users", "3", "--respondents", "1"], &["'--users <N>' cannot be used with '--respondents"]);
    check(&["run", "--survey", "a.csv", "--synthetic", "5"], &["cannot be used with"]);
}

#[test]
fn rounds_that_cannot_be_asked() {
    check(&["run", "--precision", "0.5"], &["sample.precision 0.5", "above 0 and below 0.5"]);
    check(&["run", "--precision", "narrow"], &["'narrow'", "--precision <HALF_WIDTH>"]);
    check(
        &["run", "--precision", "0.1", "--until-decided", "valuesim,mode"],
        &["cannot be used with '--until-decided"],
    );
    check(&["run", "--precision", "0.1", "--respondents", "1"], &["cannot be used with '--respondents"]);
    check(&["run", "--precision", "0.1", "--users", "49"], &["--users 49: rounds of people begin with 50"]);
    check(&["run", "--precision-by", "Q260"], &["sample.precision_by", "need a `precision`"]);
    check(&["run", "--precision", "0.1", "--precision-by", "ROOM"], &["the survey has no column \"ROOM\""]);
    let few = ["run", "--synthetic", "60", "--precision", "0.1", "--precision-by", "Q260"];
    check(&few, &["column \"Q260\" has no group of 50 people"]);
    check(&["run", "--until-decided", "valuesim,magic"], &["'magic'", "a method or a baseline", "mode-country"]);
    check(&["run", "--until-decided", "valuesim"], &["expected two arms"]);
    check(&["run", "--until-decided", "valuesim,valuesim"], &["is named twice; expected two different arms"]);
    check(&["run", "--until-decided", "valuesim,rag"], &["rag:simulated is not run; expected one of the methods"]);
}

#[test]
fn an_invalid_experiment_file() {
    let text = "name = 'ours'\nsample.users = 5\nuser = 5\n";
    let expected = ["experiment.toml", "line 3", "unknown field `user`", "expected one of"];
    check_with(&[("experiment.toml", text)], &["run", "experiment.toml"], &expected);
    check(&["run", "experiment.toml"], &["read the experiment experiment.toml", "No such file"]);
}

#[test]
fn all_problems_of_an_experiment_are_reported_together() {
    let text = "name = 'two words'\nsplit.only = [6]\n[[model]]\nname = 'unheard-of'\n";
    let expected = ["name \"two words\"", "there is no fold 6", "model \"unheard-of\": missing base_url: set it"];
    check_with(&[("experiment.toml", text)], &["run", "experiment.toml"], &expected);
}

#[test]
fn an_invalid_codebook() {
    check(&["run", "--codebook", "no.toml"], &["no.toml"]);
    check_with(
        &[("codes.toml", "a = 1\n")],
        &["run", "--codebook", "codes.toml"],
        &["codes.toml", "no [[question]] table"],
    );
}

#[test]
fn synth_does_not_overwrite_a_file() {
    let expected = ["survey.csv already exists", "--force"];
    check_with(&[("survey.csv", "mine")], &["synth", "survey.csv"], &expected);
}

#[test]
fn a_base_url_without_a_model_is_an_error() {
    check(&["run", "--base-url", "http://127.0.0.1:1/v1"], &["--base-url", "need a model", "--model"]);
}

#[test]
fn a_token_limit_below_a_single_call_is_refused_before_the_first_call() {
    let arguments = ["run", "--users", "1", "--synthetic", "60", "--tokens-per-minute", "1"];
    check(&arguments, &["tokens_per_minute is below", "expected at least 8827"]);
    let of_replies = ["run", "--users", "1", "--synthetic", "60", "--output-tokens-per-minute", "1"];
    check(&of_replies, &["output_tokens_per_minute is below", "output tokens of a single call"]);
    check(
        &["run", "--total-calls-in-flight", "0"],
        &["limits.total_calls_in_flight is 0: a limit of 0 blocks all calls"],
    );
    check(&["run", "--share", "0"], &["--share", "'0'"]);
    check(&["run", "--input-tokens-per-minute=-4"], &["--input-tokens-per-minute", "'-4'"]);
}

#[test]
fn a_compression_that_is_none_of_parquet() {
    check(&["export", "r", "--format", "csv", "--compression", "snappy"], &["--compression is that of Parquet"]);
    check(&["export", "r", "--format", "parquet", "--compression", "gzip"], &["--compression", "'gzip'", "snappy"]);
}

#[test]
fn what_has_no_end_is_read_and_made_up_to_a_bound() {
    check(&["run", "/dev/zero"], &["read the experiment /dev/zero", "more than 1048576 bytes"]);
    let long = format!("name = {}\n", "9".repeat(100_000));
    let sandbox = Sandbox::new();
    sandbox.write("experiment.toml", long);
    let output = sandbox.run(&["run", "experiment.toml"]).expect_code(2);
    assert!(output.stderr.len() < 1_000, "{} bytes", output.stderr.len());
    let key = ["run", "--model", "m", "--base-url", "http://127.0.0.1:1/v1", "--api-key-file", "/dev/zero"];
    let output = sandbox.run(&key).expect_code(2);
    assert!(output.stderr.contains("/dev/zero cannot be read (it has more than 65536 bytes"), "{}", output.stderr);
    check(&["run", "--synthetic", "10000001"], &["survey.synthetic: expected 1 to 10000000 respondents"]);
    check(&["synth", "wvs.csv", "--respondents", "10000001"], &["10000001 is not in 1..=10000000"]);
}
