//! Every panel of the dashboards asks for something that the fleet serves.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::prometheus::{Prometheus, repository};

/// What Grafana puts in place of its variables; the whole test is in the window.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "15m"), ("$run", ".*"), ("$model", ".*")];

/// Asks every query of every panel, and checks that each gives a number.
pub(crate) fn check(prometheus: &Prometheus) {
    let (mut asked, mut empty) = (0, String::new());
    for (panel, query) in queries() {
        asked += 1;
        let values = prometheus.query(&query);
        if !values.iter().any(|value| value.is_finite()) {
            writeln!(empty, "{panel}: {query} gives {values:?}").unwrap();
        }
    }
    assert!(asked > 20, "only {asked} queries were found");
    assert!(empty.is_empty(), "panels without data:\n{empty}");
    println!("{asked} queries of panels give data");
}

/// The name of each panel with a query.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for file in ["fleet", "money", "results"] {
        let path = repository().join(format!("deploy/grafana/dashboards/{file}.json"));
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().unwrap().to_owned();
                let query = VARIABLES.iter().fold(query, |query, (name, value)| query.replace(name, value));
                queries.push((format!("{file}: {}", panel["title"]), query));
            }
        }
    }
    queries
}
