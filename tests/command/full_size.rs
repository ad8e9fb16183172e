//! A dry run on a file of official size reports the paper's sample before any call is made.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::fixture;
use crate::support::sandbox::Sandbox;
use crate::support::survey::SurveyFile;

/// Respondents of the official file v6.0.
const OFFICIAL: usize = 97_220;

/// Writes a file with the official size and version. All its respondents are the same, because the sample depends only
/// on the number of rows.
fn write_official(file: &Path) {
    let one = SurveyFile::of(1).with(2, "version", "6-0-0 (2024-04-30)").with(2, "doi", "doi.org/10.14281/18241.24");
    let text = one.text();
    let (header, row) = text.split_at(text.find('\n').unwrap() + 1);
    let mut out = BufWriter::new(std::fs::File::create(file).unwrap());
    out.write_all(header.as_bytes()).unwrap();
    for _ in 0..OFFICIAL {
        out.write_all(row.as_bytes()).unwrap();
    }
    out.flush().unwrap();
}

#[test]
fn a_dry_run_reports_that_100_users_of_the_official_file_are_the_papers_sample() {
    let sandbox = Sandbox::new();
    write_official(&sandbox.path("wvs.csv"));
    let arguments = ["run", "--survey", "wvs.csv", "--users", "100", "--model", "gpt-3.5-turbo", "--dry-run", "--json"];
    let events = sandbox.run(&arguments).expect_success().events();
    let [plan] = events.as_slice() else { panic!("expected only the plan, found {events:?}") };
    assert_eq!(plan["respondents"], fixture::json("golden.json")["users"]["seed42_n100"]);
    let work = ["cells", "backstories", "predictions_per_arm", "predictions"].map(|field| &plan[field]);
    assert_eq!(work, [&json!(500), &json!(500), &json!(28_000), &json!(56_000)]);
    let facts: Vec<&str> = plan["facts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(facts.contains(&"sample: the paper's 100 respondents (seed 42)"), "{facts:?}");
    let cost = &plan["estimate"]["models"][0]["cost"];
    assert!(cost["low"].as_u64() > Some(0) && cost["low"].as_u64() < cost["high"].as_u64(), "{cost}");
    assert!(!sandbox.path("runs").exists(), "a dry run writes nothing");
}
