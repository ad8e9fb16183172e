//! Snapshots of the help and of dry runs.

use crate::support::sandbox::Sandbox;

#[track_caller]
fn check(name: &str, arguments: &[&str]) {
    let output = Sandbox::new().run(arguments).expect_success();
    assert_eq!(output.stderr, "");
    insta::assert_snapshot!(name, without_run_id(&output.stdout));
}

/// Replaces the run id, which changes with every word of the codebook and has tests of its own.
fn without_run_id(text: &str) -> String {
    let id = text.strip_prefix("Run ").and_then(|rest| rest.lines().next());
    id.map_or_else(|| text.to_owned(), |id| text.replace(id, "<run id>"))
}

#[test]
fn every_command_has_help() {
    check("help", &["--help"]);
    check("help_run", &["run", "--help"]);
    check("help_synth", &["synth", "--help"]);
    check("help_parse", &["parse", "--help"]);
    check("help_simulate_provider", &["simulate-provider", "--help"]);
    check("help_show", &["show", "--help"]);
    check("help_export", &["export", "--help"]);
    check("help_report", &["report", "--help"]);
    check("help_verify", &["verify", "--help"]);
    check("help_reopen", &["reopen", "--help"]);
    check("help_check", &["check", "--help"]);
    check("help_coordinate", &["coordinate", "--help"]);
    check("help_work", &["work", "--help"]);
    check("help_runs", &["runs", "--help"]);
    check("help_status", &["status", "--help"]);
    check("help_dashboard", &["dashboard", "--help"]);
    check("help_health", &["health", "--help"]);
    check("help_pause", &["pause", "--help"]);
    check("help_resume", &["resume", "--help"]);
    check("help_cancel", &["cancel", "--help"]);
    check("help_dead", &["dead", "--help"]);
    check("help_dead_list", &["dead", "list", "--help"]);
    check("help_dead_show", &["dead", "show", "--help"]);
    check("help_dead_replay", &["dead", "replay", "--help"]);
    check("help_dead_discard", &["dead", "discard", "--help"]);
    check("help_purge", &["purge", "--help"]);
    check("help_completions", &["completions", "--help"]);
    check("help_man", &["man", "--help"]);
}

#[test]
fn a_dry_run_describes_the_run() {
    check("dry_run_of_the_demonstration", &["run", "--dry-run"]);
    let paid = ["run", "--synthetic", "500", "--users", "100", "--model", "gpt-3.5-turbo", "--dry-run"];
    check("dry_run_with_a_price", &paid);
}
