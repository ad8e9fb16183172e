//! `valuesim report` on finished runs: its files, several runs side by side, and what it refuses.

use std::fs;
use std::path::Path;

use crate::support::sandbox::Sandbox;

/// A small run with a method, an ablation and a profile scale.
fn small<'a>(runs: &'a str, survey: &'a str) -> [&'a str; 10] {
    let methods = "valuesim,full-info,no-cab,profile-scale(58)";
    ["run", "--synthetic", survey, "--users", "3", "--folds", "5", "--methods", methods, runs]
}

/// Runs it and returns its id.
fn run(sandbox: &Sandbox, runs: &str, survey: &str) -> String {
    sandbox.run(&small(&format!("--runs={runs}"), survey)).expect_success();
    sandbox.run_folder(runs).file_name().unwrap().to_string_lossy().into_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_report_is_written_in_all_formats_from_the_results_alone() {
    let sandbox = Sandbox::new();
    let run = run(&sandbox, "runs", "60");
    let folder = sandbox.path("runs").join(&run);
    for file in ["ledger.redb", "predictions.parquet", "report.md"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let output = sandbox.run(&["report", &run]).expect_success();
    assert!(output.stdout.starts_with(&format!("Files\n  runs/{run}/report/report.html ")), "{}", output.stdout);

    let report = folder.join("report");
    let page = text(&report.join("report.html"));
    for expected in ["<b>Table 1.</b> MAE", "<b>Table 4.</b>", "<b>Figure 2.</b>", "SIMULATED", "role=\"img\""] {
        assert!(page.contains(expected), "{expected}");
    }
    let markdown = text(&report.join("report.md"));
    assert!(markdown.contains("cells were finished ") && !markdown.contains("COMPLETE: dates"), "{markdown}");
    let figures = markdown.lines().filter_map(|line| line.strip_prefix("![")?.split(['(', ')']).nth(1));
    let figures: Vec<&str> = figures.collect();
    assert!(figures.len() >= 4, "{figures:?}");
    for figure in figures {
        assert!(text(&report.join(figure)).starts_with("<svg xmlns="), "{figure}");
    }
    assert!(text(&report.join("tables/accuracy-by-category.csv")).contains("valuesim / simulated SIMULATED,"));
    assert!(text(&report.join("tables.tex")).contains("\\begin{tabular}"));
    assert!(text(&report.join("references.bib")).starts_with("@misc{valuesim,"));
}

#[test]
fn only_the_requested_formats_are_written_to_the_requested_folder() {
    let sandbox = Sandbox::new();
    let run = run(&sandbox, "runs", "60");
    sandbox.run(&["report", &run, "--format", "csv,html", "--output", "mine"]).expect_success();
    let mut found: Vec<_> =
        fs::read_dir(sandbox.path("mine")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort_unstable();
    assert_eq!(found, ["report.html", "tables"]);
}

#[test]
fn runs_of_one_survey_are_reported_together_and_runs_of_another_are_refused() {
    let sandbox = Sandbox::new();
    let first = run(&sandbox, "first", "60");
    sandbox.run(&["run", "--synthetic", "60", "--users", "2", "--folds", "5", "--runs", "second"]).expect_success();
    let second = sandbox.run_folder("second");
    let other = run(&sandbox, "other", "61");

    let first = format!("first/{first}");
    let second = second.strip_prefix(sandbox.path("")).unwrap().to_str().unwrap().to_owned();
    let output = sandbox.run(&["report", &first, &second, "--runs", "together"]).expect_success();
    let page = output.stdout.split_whitespace().find(|word| word.ends_with("report.html")).unwrap();
    let id = |run: &str| run.rsplit('/').next().unwrap().to_owned();
    let page = text(&sandbox.path(page));
    for run in [&first, &second] {
        assert!(page.contains(&format!("valuesim / simulated SIMULATED ({})", id(run))), "{run}");
    }

    let output = sandbox.run(&["report", &first, &format!("other/{other}")]).expect_code(2);
    assert!(output.stderr.contains("are of different survey files"), "{}", output.stderr);
}

#[test]
fn what_cannot_be_reported_is_explained() {
    let sandbox = Sandbox::new();
    let run = run(&sandbox, "runs", "60");
    let folder = sandbox.path("runs").join(&run);
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = sandbox.run(arguments).expect_code(code);
        assert!(output.stderr.contains(expected), "{arguments:?}: {}", output.stderr);
    };
    check(&["report", "nowhere"], 2, "nowhere");
    check(&["report", &run, "--output", &format!("runs/{run}")], 2, "is a run folder");
    check(&["report", &run, &run], 2, "is named twice");
    fs::write(folder.join("results.json"), "{\"version\": 99}").unwrap();
    check(&["report", &run], 1, "version 99");
    fs::remove_file(folder.join("results.json")).unwrap();
    check(&["report", &run], 1, "results.json");
}
