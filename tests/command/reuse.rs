//! Cells that an earlier run has finished are taken over, and replies that it has kept are used in place of calls: for the very
//! same prompts alone.

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

/// Reads a command's JSON.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

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
        let about = ["run", "--synthetic", "60", "--folds", "1", "--runs", runs];
        let users = if flags.contains(&"--users") { &[][..] } else { &["--users", &users] };
        let rest = ["--methods", methods, "--model", "m", "--base-url", &url];
        let before = self.provider.stats().answered;
        let output = self.sandbox.run(&[&about[..], users, &rest, flags].concat()).expect_success();
        (self.provider.stats().answered - before, output)
    }

    /// The folder of the run of so many people in a folder of runs.
    fn folder_of(&self, runs: &str, users: usize) -> PathBuf {
        let folders = std::fs::read_dir(self.sandbox.path(runs)).unwrap().map(|entry| entry.unwrap().path());
        let is_of = |folder: &PathBuf| results(folder)["cells_finished"].as_u64() == Some(users as u64);
        folders.into_iter().find(is_of).unwrap()
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

    // What it has finished itself is not counted again, and a cell that is reopened is done again by calls.
    let dry = &["--transcripts", "--dry-run", "--json"][..];
    assert!(json(&runs.run("runs", "valuesim,no-cab", dry).1.stdout)["reuse"].is_null());
    let name = ledger::cells(&folder)[0].0;
    let cell = format!("{}/{}/{}", name.0, name.1, name.2);
    runs.sandbox.run(&["reopen", folder.to_str().unwrap(), &cell]).expect_success();
    assert!(json(&runs.run("runs", "valuesim,no-cab", dry).1.stdout)["reuse"].is_null());
    assert!(runs.run("runs", "valuesim,no-cab", &["--transcripts"]).0 > 2 * QUESTIONS);

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
    let mut bytes = std::fs::read(&ledger).unwrap();
    for at in (0..bytes.len()).step_by(4096) {
        bytes[at] ^= 0x5a;
    }
    std::fs::write(&ledger, bytes).unwrap();
    let (_, said) = runs.run("runs", "full-info,no-profile", &["--dry-run"]);
    assert!(said.stderr.contains("are not used: ") && said.stderr.contains("ledger.redb"), "{}", said.stderr);
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    std::fs::write(&ledger, "no ledger").unwrap();
    let (calls, said) = runs.run("runs", "full-info,no-profile", &[]);
    assert_eq!(calls, 2 * USERS * QUESTIONS);
    assert!(said.stderr.contains("are not used: "), "{}", said.stderr);
}

#[test]
fn a_sample_that_grows_pays_for_the_new_people_alone() {
    let runs = Runs::new();
    let price = ["--price", "1,2"];
    let grown = |runs_folder: &str, users: &str, flags: &[&str]| {
        runs.run(runs_folder, "valuesim,no-cab", &[&["--users", users], &price[..], flags].concat())
    };
    let (first, said) = grown("runs", "2", &[]);
    assert!(!said.stderr.contains("reuse:"), "{}", said.stderr);
    let (_, plan) = grown("runs", "4", &["--dry-run", "--json"]);
    let taken = json(&plan.stdout)["reuse"][0]["taken"].clone();
    assert_eq!((taken["cells"].as_u64(), taken["replies"].as_u64()), (Some(2), Some(first)));
    // The estimate says the same as the head.
    let url = runs.provider.base_url();
    let of_four = ["estimate", "--synthetic", "60", "--folds", "1", "--users", "4", "--methods", "valuesim,no-cab"];
    let of_four = [&of_four[..], &["--model", "m", "--base-url", &url], &price].concat();
    let estimate = |flags: &[&str]| runs.sandbox.run(&[&of_four[..], flags].concat()).expect_success().stdout;
    assert_eq!(json(&estimate(&["--json"]))["reuse"][0]["taken"], taken);
    let text = estimate(&[]);
    assert!(text.contains("\nreuse: 2 of 4 cells are taken from run "), "{text}");
    assert!(!estimate(&["--no-reuse"]).contains("reuse:"));
    let (more, said) = grown("runs", "4", &[]);
    assert!(said.stderr.contains("reuse: 2 of 4 cells are taken from run "), "{}", said.stderr);
    assert!(said.stderr.contains(", saving about $") && said.stderr.contains("(--no-reuse makes their calls again)"));

    let small = runs.folder_of("runs", 2);
    let of_small = ledger::cells(&small)[0].0;

    // The same rows as those of a run that made all calls itself, for the price of two people.
    let (all, _) = grown("alone", "4", &[]);
    assert_eq!(more, all - first);
    let folder = runs.folder_of("runs", 4);
    assert_eq!(ledger::cells(&folder), ledger::cells(&runs.folder_of("alone", 4)));
    let name = small.file_name().unwrap().to_str().unwrap();
    assert_eq!(results(&folder)["spend"][0]["reused"]["replies"], first);
    let path = folder.to_str().unwrap();
    let proof = runs.sandbox.run(&["verify", path, "--complete"]).expect_success().stdout;
    assert!(proof.contains(&format!("2 were taken from run {name}")), "{proof}");
    assert!(read(&folder, "report.md").contains(&format!("finished cells of run {name} are taken over")));
    let bill = |of: &str| {
        let bill = runs.sandbox.run(&["cost", of, "--format", "json"]).expect_success().stdout;
        json(&bill)["bill"].clone()
    };
    let paid = bill(small.to_str().unwrap())["total"]["cost_nano_usd"].as_u64();
    assert_eq!(taken["cost"].as_u64(), paid, "{taken}");
    assert!(paid > Some(0) && bill(path)["saved"]["by_reuse_nano_usd"].as_u64() == paid, "{}", bill(path));

    // What was taken is passed on, and still named after the run that paid for it.
    let (_, plan) = grown("runs", "3", &["--dry-run", "--json"]);
    let of_three = json(&plan.stdout)["reuse"].clone();
    let from_payer = of_three.as_array().unwrap().iter().find(|reuse| reuse["run"] == name).unwrap();
    assert_eq!(from_payer["taken"]["cost"].as_u64(), paid, "{of_three}");

    // What the run has finished itself is not taken from the run that has taken it over.
    let (_, said) = grown("runs", "2", &[]);
    assert!(!said.stderr.contains("are taken from"), "{}", said.stderr);
    assert!(!read(&small, "report.md").contains("are taken over"));
    std::fs::remove_dir_all(&small).unwrap();
    let (_, plan) = grown("runs", "3", &["--dry-run", "--json"]);
    let of_three = json(&plan.stdout)["reuse"][0]["taken"].clone();
    assert!(of_three["cells"] == 3 && of_three["cost"].as_u64() > paid, "{of_three}");
    let (none, _) = grown("runs", "3", &[]);
    assert_eq!(none, 0);
    let proof = runs.sandbox.run(&["verify", runs.folder_of("runs", 3).to_str().unwrap()]).expect_success().stdout;
    assert!(
        proof.contains(&format!("2 were taken from run {name}")) && proof.matches("were taken from").count() == 2,
        "{proof}"
    );

    // Who reopens a cell wants it done again.
    let folder = runs.folder_of("runs", 3);
    runs.sandbox.run(&["reopen", folder.to_str().unwrap(), &format!("0/{}/1", of_small.1)]).expect_success();
    assert!(json(&grown("runs", "3", &["--dry-run", "--json"]).1.stdout)["reuse"].is_null());
    assert!(grown("runs", "3", &[]).0 > 0);
}

#[test]
fn a_pilot_measures_the_cells_that_are_paid_for() {
    let runs = Runs::new();
    let grown = |users: &str, flags: &[&str]| {
        runs.run("runs", "no-cab", &[&["--users", users, "--price", "1,2"], flags].concat())
    };
    let (calls, _) = grown("2", &[]);
    let of_a_cell = calls / 2;
    let (one, said) = grown("7", &["--pilot", "1", "--yes-below", "1000"]);
    assert_eq!(one, of_a_cell);
    assert!(said.stderr.contains("pilot: the first 3 of 7 cells"), "{}", said.stderr);
    assert!(said.stderr.contains("fewer than two cells of a model were paid for"), "{}", said.stderr);
    assert!(said.stderr.contains("held after the pilot"), "{}", said.stderr);
    let (next, said) = grown("7", &["--pilot", "2", "--yes-below", "0.01"]);
    assert_eq!(next, of_a_cell);
    assert!(said.stderr.contains("from 2 finished cells besides 2 that were taken over"), "{}", said.stderr);
    assert!(said.stderr.contains("held after the pilot"), "{}", said.stderr);
    let (rest, said) = grown("7", &[]);
    assert_eq!(rest, 3 * of_a_cell);
    assert!(!said.stderr.contains("paus"), "{}", said.stderr);
}

#[test]
fn a_cell_is_taken_only_if_all_that_decides_it_is_the_same() {
    let runs = Runs::new();
    let (all, _) = runs.run("runs", "full-info", &[]);
    let three: &[&str] = &["--users", "3"];
    for (methods, flags) in [
        ("full-info", &["--no-reuse"][..]),
        ("full-info", &["--max-output-tokens", "900"]),
        ("full-info", &["--behaviour", "paper"]),
        ("full-info", &["--transcripts"]),
        ("full-info,no-profile", &[]),
    ] {
        let (calls, said) = runs.run("runs", methods, &[three, flags].concat());
        assert!(
            calls > all && !said.stderr.contains("are taken from"),
            "{methods} {flags:?}: {calls} calls; {}",
            said.stderr
        );
        std::fs::remove_dir_all(runs.folder_of("runs", 3)).unwrap();
    }
}
