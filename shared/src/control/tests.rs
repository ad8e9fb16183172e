//! What one release writes, others read: messages to the letter.

use serde::de::DeserializeOwned;

use super::*;

/// What one release writes others read: a change here is a new version, or a field that may be missing.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, json: &str) {
    assert_eq!(serde_json::to_string(value).expect("writes"), json);
    assert_eq!(&serde_json::from_str::<T>(json).expect("reads"), value);
}

fn process() -> Process {
    Process {
        id: "w1".to_owned(),
        host: "h".to_owned(),
        pid: 7,
        release: "0.1.0".to_owned(),
        started_at: UnixMillis(1),
    }
}

#[test]
fn what_is_told_is_written_and_read_to_the_letter() {
    let run = RunId("r1".to_owned());
    let order = Order {
        version: 1,
        desired: DesiredState::Pause,
        by: "ada@h".to_owned(),
        reason: None,
        budget: None,
        at: UnixMillis(5),
    };
    check(&order, r#"{"version":1,"wish":"pause","by":"ada@h","at":5}"#);
    let cells = CellCounts { planned: 10, finished: 4, under_way: 2, dead: 1, at_most: None };
    let about = AboutRun {
        version: 1,
        run: run.clone(),
        models: vec!["m".to_owned()],
        phase: RunPhase::OutOfBudget,
        cells,
        spent: NanoUsd(9),
        calls: CallTotals::default(),
        budget: None,
        priced: true,
        stopped_by: None,
        begun_at: UnixMillis(2),
        at: UnixMillis(3),
    };
    check(
        &about,
        r#"{"version":1,"run":"r1","models":["m"],"phase":"out_of_budget","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"spent":9,"begun_at":2,"at":3}"#,
    );
    let in_rounds = CellCounts { at_most: Some(40), ..cells };
    check(&in_rounds, r#"{"planned":10,"finished":4,"under_way":2,"dead":1,"at_most":40}"#);
    check(
        &AboutRun { priced: false, stopped_by: Some("disk full".to_owned()), ..about },
        r#"{"version":1,"run":"r1","models":["m"],"phase":"out_of_budget","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"spent":9,"priced":false,"stopped_by":"disk full","begun_at":2,"at":3}"#,
    );
    let worker = WorkerReport {
        version: 1,
        process: process(),
        runs: vec![run.clone()],
        draining: false,
        tasks: 2,
        calls_in_flight: 3,
        capacity: 64,
        calls_per_second: 1.5,
        http: Some("http://127.0.0.1:9".to_owned()),
        last_trouble: Some((UnixMillis(4), "down".to_owned())),
        troubles: Vec::new(),
        activity: Activity::default(),
        at: UnixMillis(6),
    };
    check(
        &worker,
        r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"runs":["r1"],"draining":false,"tasks":2,"calls_in_flight":3,"capacity":64,"calls_per_second":1.5,"http":"http://127.0.0.1:9","last_trouble":[4,"down"],"at":6}"#,
    );
    let of_model = RunTrouble {
        run: run.clone(),
        model: Some("m".to_owned()),
        at: UnixMillis(4),
        text: "down".to_owned(),
        left_alone_until: None,
        refusal: None,
    };
    let left_alone = RunTrouble { model: None, left_alone_until: Some(UnixMillis(9)), ..of_model.clone() };
    let refusal = Some(Refusal { settings: true, ..Refusal::default() });
    let refused = RunTrouble { refusal, ..left_alone.clone() };
    check(
        &WorkerReport { troubles: vec![of_model, left_alone, refused], ..worker },
        r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"runs":["r1"],"draining":false,"tasks":2,"calls_in_flight":3,"capacity":64,"calls_per_second":1.5,"http":"http://127.0.0.1:9","last_trouble":[4,"down"],"troubles":[{"run":"r1","model":"m","at":4,"text":"down"},{"run":"r1","at":4,"text":"down","left_alone_until":9},{"run":"r1","at":4,"text":"down","left_alone_until":9,"refusal":{"settings":true}}],"at":6}"#,
    );
    let before_http = r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"runs":[],"draining":false,"tasks":2,"calls_in_flight":3,"capacity":64,"calls_per_second":1.5,"last_trouble":null,"at":6}"#;
    assert_eq!(serde_json::from_str::<WorkerReport>(before_http).expect("reads").http, None);
    let coordinator = CoordinatorReport {
        version: 1,
        process: process(),
        run,
        cells,
        cells_per_second: 0.5,
        pace: Pace::default(),
        last_finished_at: None,
        spent: NanoUsd(9),
        priced: true,
        http: None,
        last_trouble: None,
        at: UnixMillis(6),
    };
    check(
        &coordinator,
        r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"run":"r1","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"cells_per_second":0.5,"spent":9,"http":null,"last_trouble":null,"at":6}"#,
    );
    check(
        &CoordinatorReport { last_finished_at: Some(UnixMillis(5)), priced: false, ..coordinator },
        r#"{"version":1,"process":{"id":"w1","host":"h","pid":7,"release":"0.1.0","started_at":1},"run":"r1","cells":{"planned":10,"finished":4,"under_way":2,"dead":1},"cells_per_second":0.5,"last_finished_at":5,"spent":9,"priced":false,"http":null,"last_trouble":null,"at":6}"#,
    );
}
