//! A run that asks people in rounds asks the same ones however often it is killed, and says what it decided and saved.

use redb::{Database, TableDefinition};
use serde_json::Value;

use crate::support::ledger;
use crate::support::process::Running;
use crate::support::recorder::Recorder;
use crate::support::reply_rule;
use crate::support::sandbox::{CommandOutput, Sandbox, read};

const IN_FLIGHT: usize = 8;

/// A rule that some sixty of the three hundred people meet.
const PRECISION: [&str; 2] = ["--precision", "0.015"];

/// Calls into a second round, which has ten people and more.
const INTO_THE_ROUND: usize = 100;

struct RoundsRun {
    sandbox: Sandbox,
    provider: Recorder,
}

impl RoundsRun {
    fn new() -> Self {
        Self { sandbox: Sandbox::new(), provider: Recorder::start(reply_rule::reply) }
    }

    /// Starts a run in a folder of runs.
    fn start(&self, runs: &str, flags: &[&str]) -> Running {
        let (url, in_flight) = (self.provider.base_url(), IN_FLIGHT.to_string());
        let about = ["run", "--synthetic", "300", "--folds", "1", "--methods", "full-info", "--runs", runs];
        let model = ["--model", "m", "--base-url", &url, "--calls-in-flight", &in_flight];
        self.sandbox.start(&[&about[..], &model, flags].concat())
    }

    fn run(&self, runs: &str, flags: &[&str]) -> CommandOutput {
        self.start(runs, flags).wait().expect_success()
    }

    fn rounds(&self, runs: &str) -> Value {
        let results: Value = serde_json::from_str(&read(&self.sandbox.run_folder(runs), "results.json")).unwrap();
        results["rounds"].clone()
    }

    fn cells(&self, runs: &str) -> Vec<((u16, u32, u8), String)> {
        ledger::cells(&self.sandbox.run_folder(runs))
    }

    fn verify(&self, runs: &str) -> CommandOutput {
        let folder = self.sandbox.run_folder(runs);
        self.sandbox.run(&["verify", folder.to_str().unwrap(), "--complete"])
    }
}

/// Removes the record of the rounds, as if the process had been killed before the first decision was on the disk.
fn forget_rounds(ledger: &std::path::Path) {
    let transaction = Database::open(ledger).unwrap().begin_write().unwrap();
    transaction.open_table(TableDefinition::<&str, &str>::new("about")).unwrap().remove("rounds").unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_precise_run_has_the_rows_of_a_sample_of_its_size_and_says_what_it_saved() {
    let run = RoundsRun::new();
    let output = run.run("rounds", &PRECISION);
    let rounds = run.rounds("rounds");
    let people = rounds["persons"].as_u64().unwrap();
    assert!(people > 50 && people < 150, "{rounds}");
    assert_eq!(rounds["end"], "precise");
    assert!(rounds["aim"]["precision"]["reached"].as_f64() <= Some(0.015), "{rounds}");
    assert_eq!(rounds["saved"]["persons"], 300 - people);
    assert!(rounds["saved"]["calls"].as_u64() > Some((300 - people) * 40), "{rounds}");
    assert!(output.stderr.contains("round 1: 50 people were asked; the next round goes on to"), "{}", output.stderr);
    let report = read(&run.sandbox.run_folder("rounds"), "report.md");
    for said in [&output.stdout, &report] {
        assert!(said.contains(&format!("{people} of 300 people were asked, in")), "{said}");
        assert!(said.contains("Against asking everybody that saved"), "{said}");
    }

    run.run("sample", &["--users", &people.to_string()]);
    assert_eq!(run.cells("rounds"), run.cells("sample"));
    assert!(run.verify("rounds").expect_success().stdout.contains("people ended as the ledger decides"));

    let calls = run.provider.take().len();
    assert!(calls > 0);
    let again = run.run("rounds", &PRECISION);
    assert!(again.stderr.contains("the run is already finished"), "{}", again.stderr);
    // Without its record it decides in the same way again.
    let folder = run.sandbox.run_folder("rounds");
    forget_rounds(&folder.join("ledger.redb"));
    run.run("rounds", &PRECISION);
    assert_eq!((run.rounds("rounds"), run.provider.take().len()), (rounds, 0));
}

#[test]
fn a_run_that_is_killed_within_and_between_rounds_asks_the_same_people() {
    let run = RoundsRun::new();
    run.run("undisturbed", &PRECISION);
    let people = usize::try_from(run.rounds("undisturbed")["persons"].as_u64().unwrap()).unwrap();
    let of_first_round = run.provider.take().len() * 50 / people;

    run.provider.pause_replies_after(of_first_round + INTO_THE_ROUND);
    let mut running = run.start("killed", &PRECISION);
    running.wait_for("round 1: 50 people were asked");
    running.kill();
    running.wait();

    run.provider.take();
    run.provider.pause_replies_after(INTO_THE_ROUND);
    let running = run.start("killed", &PRECISION);
    run.provider.wait_for(INTO_THE_ROUND + IN_FLIGHT);
    let folder = run.sandbox.run_folder("killed");
    running.kill();
    running.wait();
    let unfinished = run.sandbox.run(&["verify", folder.to_str().unwrap()]).expect_success();
    assert!(unfinished.stdout.contains("people go on as the ledger decides"), "{}", unfinished.stdout);
    assert!(unfinished.stdout.contains("unfinished:"), "{}", unfinished.stdout);

    run.provider.resume_replies();
    run.run("killed", &PRECISION);
    let without_saved = |runs| {
        let mut rounds = run.rounds(runs);
        rounds.as_object_mut().unwrap().remove("saved").expect("depends on the calls that were repeated");
        rounds
    };
    assert_eq!(without_saved("killed"), without_saved("undisturbed"));
    assert_eq!(run.cells("killed"), run.cells("undisturbed"));
    run.verify("killed").expect_success();
}

#[test]
fn a_run_that_decides_names_the_better_arm_and_one_that_cannot_says_so() {
    let sandbox = Sandbox::new();
    let about = ["run", "--synthetic", "300", "--folds", "1", "--methods", "full-info"];
    let run = |runs: &'static str, flags: &[&str]| {
        sandbox.run(&[&about[..], &["--runs", runs], flags].concat()).expect_success()
    };
    run("decided", &["--until-decided", "full-info,chance"]);
    let results: Value = serde_json::from_str(&read(&sandbox.run_folder("decided"), "results.json")).unwrap();
    let rounds = &results["rounds"];
    assert_eq!(rounds["end"], "first_is_better");
    assert!(rounds["aim"]["decision"]["interval"]["lower"].as_f64() > Some(0.0), "{rounds}");
    let report = read(&sandbox.run_folder("decided"), "report.md");
    assert!(report.contains("full-info / simulated is better. The difference is +0."), "{report}");
    assert!(report.contains("a 95 % confidence sequence for draws without replacement"), "{report}");

    run("undecided", &["--until-decided", "mode,full-info", "--users", "50"]);
    let report = read(&sandbox.run_folder("undecided"), "report.md");
    assert!(report.contains("All people that were allowed were asked, and it is undecided."), "{report}");
    let folder = sandbox.run_folder("undecided");
    let verified = sandbox.run(&["verify", folder.to_str().unwrap(), "--complete"]).expect_success();
    assert!(verified.stdout.contains("1 round of 50 people ended as the ledger decides"), "{}", verified.stdout);
}

#[test]
fn a_record_that_the_ledger_does_not_decide_is_noticed() {
    let sandbox = Sandbox::new();
    let about = ["run", "--synthetic", "300", "--folds", "1", "--methods", "no-profile", "--precision", "0.4"];
    sandbox.run(&about).expect_success();
    let folder = sandbox.run_folder("runs");
    let transaction = Database::open(folder.join("ledger.redb")).unwrap().begin_write().unwrap();
    let record = r#"{"version":1,"rounds":1,"people":50,"dead":0,"end":"nobody_is_left"}"#;
    transaction.open_table(TableDefinition::<&str, &str>::new("about")).unwrap().insert("rounds", record).unwrap();
    transaction.commit().unwrap();
    let verified = sandbox.run(&["verify", folder.to_str().unwrap()]).expect_code(1);
    assert!(
        verified.stdout.contains("its cells decide 1 round of 50 people and the end \"precise\""),
        "{}",
        verified.stdout
    );
}

#[test]
fn each_group_can_be_asked_until_it_is_precise() {
    let sandbox = Sandbox::new();
    let about = ["run", "--synthetic", "300", "--folds", "1", "--methods", "no-profile"];
    let flags = ["--precision", "0.4", "--precision-by", "Q260"];
    sandbox.run(&[&about[..], &flags].concat()).expect_success();
    let report = read(&sandbox.run_folder("runs"), "report.md");
    assert!(report.contains("each arm's accuracy in each group of Q260 was at most 0.4"), "{report}");
    let results: Value = serde_json::from_str(&read(&sandbox.run_folder("runs"), "results.json")).unwrap();
    let breakdowns = results["breakdowns"].as_array().unwrap();
    let sexes = breakdowns.iter().find(|breakdown| breakdown["column"] == "Q260").unwrap();
    for group in sexes["groups"].as_array().unwrap() {
        assert!(group["persons"].as_u64() >= Some(50), "{group}");
    }
}

#[test]
fn a_dry_run_estimates_the_first_round_and_all_that_may_follow() {
    let sandbox = Sandbox::new();
    let about = ["run", "--synthetic", "300", "--methods", "full-info", "--precision", "0.01", "--dry-run"];
    let output = sandbox.run(&about).expect_success();
    insta::assert_snapshot!(output.stdout.split_once('\n').unwrap().1);
}
