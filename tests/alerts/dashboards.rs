//! Every panel of the dashboards asks for something that the fleet serves.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use valuesim_test_servers::eventually;

use crate::prometheus::{Prometheus, TIMEOUT, repository};

/// What Grafana puts in place of its variables; the whole test is in the window.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "15m"), ("$run", ".*"), ("$model", ".*")];

/// Asks every query of every panel, until each gives a number: a broker that has just started again counts its queues late.
pub(crate) async fn check(prometheus: &Prometheus) {
    let queries = queries();
    assert!(queries.len() > 20, "only {} queries were found", queries.len());
    let all_have_data = async || without_data(prometheus, &queries).is_empty().then_some(());
    let found = eventually("data in every panel", TIMEOUT, all_have_data).await;
    found.unwrap_or_else(|error| panic!("{error}; without data:\n{}", without_data(prometheus, &queries)));
    println!("{} queries of panels give data", queries.len());
}

/// The panels whose query gives no number, and what it gives.
fn without_data(prometheus: &Prometheus, queries: &[(String, String)]) -> String {
    let mut empty = String::new();
    for (panel, query) in queries {
        let values = prometheus.query(query);
        if !values.iter().any(|value| value.is_finite()) {
            writeln!(empty, "{panel}: {query} gives {values:?}").unwrap();
        }
    }
    empty
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
