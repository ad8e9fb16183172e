//! Replies that an earlier run has kept are used in place of calls, for the very same prompts alone.

use std::path::PathBuf;

use serde_json::Value;
use valuesim_simulator::provider::ProviderOptions;

use crate::support::ledger;
use crate::support::sandbox::{CommandOutput, Sandbox, read};
use crate::support::simulated::Simulated;

/// The questions of fold 1 that are asked.
const QUESTIONS: u64 = 54;

/// Respondents of each run.
const USERS: u64 = 2;

struct Runs {
    sandbox: Sandbox,
    provider: Simulated,
}

impl Runs {
    fn new() -> Self {
        Self { sandbox: Sandbox::new(), provider: Simulated::start(ProviderOptions::default()) }
    }

    /// Runs `methods` in a folder of runs. Returns the number of calls, and what was said.
    fn run(&self, runs: &str, methods: &str, flags: &[&str]) -> (u64, CommandOutput) {
        let url = self.provider.base_url();
        let users = USERS.to_string();
        let about = ["run", "--synthetic", "60", "--users", &users, "--folds", "1", "--runs", runs];
        let rest = ["--methods", methods, "--model", "m", "--base-url", &url];
        let before = self.provider.stats().answered;
        let output = self.sandbox.run(&[&about[..], &rest, flags].concat()).expect_success();
        (self.provider.stats().answered - before, output)
    }

    /// The folder of the run in a folder of runs whose arms are these.
    fn folder(&self, runs: &str, arms: &str) -> PathBuf {
        let folders = std::fs::read_dir(self.sandbox.path(runs)).unwrap().map(|entry| entry.unwrap().path());
        let methods = |folder: &PathBuf| {
            let arms = results(folder)["arms"].as_array().unwrap().clone();
            let of_model = arms.iter().filter(|arm| !arm["arm"]["model"].is_null());
            of_model.map(|arm| arm["arm"]["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(",")
        };
        folders.into_iter().find(|folder| methods(folder) == arms).unwrap()
    }
}

fn results(folder: &std::path::Path) -> Value {
    serde_json::from_str(&read(folder, "results.json")).unwrap()
}

#[test]
fn a_method_that_is_added_later_pays_for_its_own_calls_alone() {
    let runs = Runs::new();
    let (first, said) = runs.run("runs", "valuesim", &["--transcripts"]);
    assert!(!said.stderr.contains("reuse:"), "{}", said.stderr);
    let (second, said) = runs.run("runs", "valuesim,no-cab", &["--transcripts"]);
    assert_eq!(second, USERS * QUESTIONS);
    assert!(said.stderr.contains("has kept the replies of 2 of the 2 cells, which saves about"), "{}", said.stderr);

    let folder = runs.folder("runs", "no-cab,valuesim");
    let reused = &results(&folder)["spend"][0]["reused"];
    assert_eq!(reused["replies"], first);
    assert!(reused["tokens"]["input"].as_u64() > Some(first * 1_000), "{reused}");
    let report = read(&folder, "report.md");
    assert!(report.contains(&format!("Another {first} replies were kept by earlier runs")), "{report}");
    assert!(report.contains("are used where the prompt is the same"), "{report}");
    runs.sandbox.run(&["verify", folder.to_str().unwrap(), "--complete"]).expect_success();

    // The same rows as those of a run that made all calls itself.
    let (all, _) = runs.run("alone", "valuesim,no-cab", &[]);
    assert_eq!(all, first + second);
    assert_eq!(ledger::cells(&folder), ledger::cells(&runs.folder("alone", "no-cab,valuesim")));

    // Its transcripts are whole, so a third run takes the replies of both.
    let (third, _) = runs.run("runs", "valuesim,no-cab,full-info", &[]);
    assert_eq!(third, USERS * QUESTIONS);
}

#[test]
fn only_the_reply_to_the_very_same_prompt_and_settings_is_used() {
    let runs = Runs::new();
    let (all, _) = runs.run("runs", "full-info", &["--transcripts"]);
    assert_eq!(runs.run("runs", "full-info,no-profile", &["--no-reuse"]).0, 2 * all);
    for flags in [&["--max-output-tokens", "900"][..], &["--behaviour", "paper"]] {
        let (calls, said) = runs.run("runs", "full-info", flags);
        assert!(calls >= all && !said.stderr.contains("reuse:"), "{flags:?}: {calls} calls; {}", said.stderr);
    }
}

#[test]
fn the_plan_says_what_is_reused_and_a_damaged_ledger_is_left_out() {
    let runs = Runs::new();
    runs.run("runs", "full-info", &["--transcripts"]);
    let (calls, plan) = runs.run("runs", "full-info,no-profile", &["--dry-run", "--json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(
        (calls, &plan["reuse"][0]["cells"], &plan["reuse"][0]["calls"]),
        (0, &USERS.into(), &(USERS * QUESTIONS).into())
    );
    let ledger = runs.folder("runs", "full-info").join("ledger.redb");
    std::fs::write(&ledger, "no ledger").unwrap();
    let (calls, said) = runs.run("runs", "full-info,no-profile", &[]);
    assert_eq!(calls, 2 * USERS * QUESTIONS);
    assert!(said.stderr.contains("are not used: "), "{}", said.stderr);
}
