//! What providers were seen to answer ends in a fleet of two workers as in one process: with the same code and the same ledger.

use std::path::{Path, PathBuf};
use std::process::Command;

use valuesim_simulator::provider::{Case, Cases, Provider, ProviderOptions};

use crate::fleet::Fleet;
use crate::process::{FleetProcess, command};
use crate::support::{CELLS, only_ledger, provider_with, rows};

/// The file of cases.
const CASES: &str = include_str!("../fixtures/provider_cases.toml");

/// The cases that stop a run, with the code of its end and more flags; all others finish.
const STOPS: [(&str, i32, &[&str]); 4] = [
    ("temperature refused", 2, &[]),
    ("the setting is too large", 2, &["--max-output-tokens", "8000"]),
    ("a limit of tokens per minute as 413", 2, &[]),
    ("no money, in other words", 1, &[]),
];

/// The code with which a case ends, and the flags that it needs.
fn end(case: &Case) -> (i32, &'static [&'static str]) {
    let stops = STOPS.iter().find(|(name, ..)| case.name.starts_with(name));
    stops.map_or((0, &[]), |(_, code, flags)| (*code, flags))
}

/// A run of two people against the case with this number.
fn run(verb: &str, provider: &Provider, (number, case): (usize, &Case), runs: &Path) -> Command {
    let mut command = command(verb);
    command.args(["--synthetic", "60", "--users", "2", "--folds", "1", "--methods", "valuesim,full-info"]);
    command
        .args(["--model", "m", "--requests-per-minute", "100000000", "--base-url", &provider.case_url(number)])
        .arg("--runs")
        .arg(runs);
    command.args(end(case).1);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_providers_were_seen_to_answer_ends_as_in_one_process() {
    let cases = Cases::from_toml(CASES).expect("reads").cases;
    let options = || ProviderOptions { cases: cases.clone(), ..ProviderOptions::default() };
    let fleet = Fleet::with_provider(options()).await;
    fleet.resume_replies();
    // Of its own, because some answers are given once.
    let of_one = provider_with(options()).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runs = |side: &str, number: usize| -> PathBuf { folder.path().join(format!("{side}-{number}")) };
    let numbered: Vec<(usize, &Case)> = (1..).zip(&cases).collect();

    let workers = [fleet.worker(), fleet.worker()];
    let in_fleet = numbered.iter().map(|&(number, case)| {
        let mut coordinate = run("coordinate", &fleet.provider, (number, case), &runs("fleet", number));
        coordinate.env("VALUESIM_BROKER", &fleet.urls.broker).env("VALUESIM_STORE", &fleet.urls.store);
        FleetProcess::spawn(&mut coordinate)
    });
    let in_fleet: Vec<FleetProcess> = in_fleet.collect();
    let ends = futures_util::future::join_all(in_fleet.into_iter().map(FleetProcess::wait)).await;
    drop(workers);
    let alone = numbered
        .iter()
        .map(|&(number, case)| FleetProcess::spawn(&mut run("run", &of_one, (number, case), &runs("one", number))));
    let alone: Vec<FleetProcess> = alone.collect();
    let ends_alone = futures_util::future::join_all(alone.into_iter().map(FleetProcess::wait)).await;

    for ((number, case), (in_fleet, alone)) in numbered.into_iter().zip(ends.into_iter().zip(ends_alone)) {
        let (code, name) = (Some(end(case).0), &case.name);
        assert_eq!((in_fleet.code(), alone.code()), (code, code), "{name}: in the fleet, and in one process");
        let ledger = |side| rows(&only_ledger(&runs(side, number)), CELLS);
        if code == Some(0) {
            assert_eq!(ledger("fleet").len(), 2, "{name}");
            assert_eq!(ledger("fleet"), ledger("one"), "{name}");
        }
    }
}
