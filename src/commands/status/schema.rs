//! A status as JSON: every field that it may have is described, and none is called differently.

use std::collections::BTreeSet;

use serde_json::Value;
use valuesim_shared::codebook::Category;
use valuesim_shared::control::{
    Activity, ArmScores, BudgetUse, CONTROL_VERSION, Change, ChangeKind, FailureClass, MeanOverPeople, Pace,
    RunActivity, RunScores, RunTrouble, ScoreSoFar, Scored, UnixMillis, WaitReason, WaitReport,
};
use valuesim_shared::method::Method;
use valuesim_shared::money::NanoUsd;

use super::Status;
use super::found::{Server, Unreached};
use super::tests::{healthy, pause, run_id, seconds_ago};

/// A status with something in every field.
fn complete() -> Status {
    let mut status = healthy();
    status.unreached.push(Unreached { server: Server::Broker, why: "connection refused".to_owned() });
    let run = &mut status.runs[0];
    run.order = Some(pause());
    if let Some(order) = &mut run.order {
        order.reason = Some("the key is new".to_owned());
    }
    run.changes = vec![Change {
        at: seconds_ago(90),
        ..Change::new(ChangeKind::Pause, "ada@h1".to_owned(), Some("the key is new".to_owned()), Some("ok".to_owned()))
    }];
    run.scores = Some(scores());
    if let Some(about) = &mut run.about {
        (about.priced, about.stopped_by) = (false, Some("disk full".to_owned()));
        about.budget = Some(BudgetUse { limit: NanoUsd(9), spent: NanoUsd(5), reserved: NanoUsd(1) });
    }
    let coordinator = &mut run.coordinators[0];
    let spent_per_hour = Some(NanoUsd(7));
    coordinator.pace = Pace { last_minute: Some(1.0), hour_ago: Some(2.0), spent_per_hour };
    coordinator.priced = false;
    coordinator.last_finished_at = Some(seconds_ago(1));
    let worker = &mut status.workers[0];
    let left_alone_until = Some(UnixMillis(u64::MAX));
    let model = Some("m".to_owned());
    worker.troubles = vec![RunTrouble {
        run: run_id(),
        model,
        at: seconds_ago(3),
        text: "down".to_owned(),
        left_alone_until,
        refusal: None,
    }];
    worker.activity = Activity {
        runs: vec![RunActivity {
            run: run_id(),
            sent: 9,
            answered: 6,
            failed: 2,
            to_be_retried: 1,
            cost: NanoUsd(5),
            wasted_at_most: NanoUsd(3),
            failures: vec![FailureClass {
                model: "m".to_owned(),
                class: "timeout".to_owned(),
                count: 2,
                first_at: seconds_ago(90),
                last_at: seconds_ago(5),
                example: "the provider did not answer in time".to_owned(),
            }],
        }],
        waits: vec![WaitReport { model: "m".to_owned(), reason: WaitReason::Cooldown, left_ms: Some(1_500) }],
    };
    status.conclude();
    status
}

fn scores() -> RunScores {
    let mean = |interval, no_interval: Option<&str>| MeanOverPeople {
        persons: 3,
        mean: 0.5,
        standard_error: Some(0.125),
        interval,
        no_interval: no_interval.map(str::to_owned),
    };
    let score = ScoreSoFar {
        answers: 174,
        accuracy: Some(mean(Some([0.25, 0.75]), None)),
        mae: Some(mean(None, Some("everyone was asked"))),
    };
    let categories = [(Category::Trust, score.clone())].into();
    RunScores {
        version: CONTROL_VERSION,
        run: run_id(),
        simulated: true,
        cells: Scored { scored: 14, planned: 20 },
        persons: Scored { scored: 3, planned: 4 },
        persons_in_part: 1,
        arms: vec![ArmScores { method: Method::ModeCountry, model: None, overall: score, categories }],
        at: seconds_ago(1),
    }
}

fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                names(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

#[test]
fn every_field_is_described() {
    let page = include_str!("../../../docs/status.md");
    let mut found = BTreeSet::new();
    names(&serde_json::to_value(complete()).expect("writes"), &mut found);
    // The names of categories are the codebook's.
    found.remove("Trust");
    let missing: Vec<&String> = found.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/status.md does not describe {missing:?}");
    assert!(found.len() > 60, "{found:?}");
}

#[test]
fn a_status_as_json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&complete()).expect("writes"));
}
