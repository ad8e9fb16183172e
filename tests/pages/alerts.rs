//! Alerts, dashboards and pages name metrics that are served, and each alert has its paragraph in the runbook.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use valuesim_shared::telemetry::metrics;

use crate::{pages, root};

/// Metrics of RabbitMQ, in the families that `deploy/prometheus/prometheus.yaml` scrapes.
const OF_RABBITMQ: [&str; 2] = ["rabbitmq_detailed_queue_consumers", "rabbitmq_detailed_queue_messages_ready"];

/// How the names of metrics begin.
const PREFIXES: [&str; 4] = ["valuesim_", "process_", "rabbitmq_detailed_", "redis_"];

#[test]
fn every_metric_that_is_asked_for_is_served() {
    let served = served();
    let mut asked = BTreeSet::new();
    let asking = pages().into_iter().map(|page| root().join(page)).chain(files("deploy/prometheus/rules"));
    for file in asking.chain(files("deploy/grafana/dashboards")).chain(files("k8s/components/keda")) {
        let text = fs::read_to_string(&file).unwrap();
        for name in names(&text) {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            assert!(served.contains(family), "{}: nothing serves {name}", file.display());
            asked.insert(name.to_owned());
        }
    }
    assert!(asked.len() > 15, "only these were found: {asked:?}");
}

#[test]
fn every_alert_has_its_paragraph_in_the_runbook() {
    let runbook = fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let mut explained: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let rules: Vec<String> =
        files("deploy/prometheus/rules").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let after = |key: &'static str| {
        rules.iter().flat_map(|text| text.lines()).filter_map(move |line| line.trim().strip_prefix(key))
    };
    let mut alerts: Vec<&str> = after("- alert: ").collect();
    let links: Vec<&str> = after("runbook: docs/runbook.md#").collect();
    assert_eq!(links, alerts.iter().map(|alert| alert.to_lowercase()).collect::<Vec<_>>());
    alerts.sort_unstable();
    explained.sort_unstable();
    assert_eq!(explained, alerts);
}

/// All metrics of this program, and those of RabbitMQ.
fn served() -> BTreeSet<&'static str> {
    metrics::ALL.iter().map(|metric| metric.name).chain(OF_RABBITMQ).collect()
}

/// The words of a text that are names of metrics.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

#[test]
fn metrics_are_found() {
    let found: Vec<&str> = names("sum(rate(valuesim_a_total{x=\"y\"}[5m])) / redis_b, valuesim").collect();
    assert_eq!(found, ["valuesim_a_total", "redis_b"]);
}
