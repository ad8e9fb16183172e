//! KEDA's question how many workers the provider has room for.

use std::fs;

use crate::prometheus::{Prometheus, repository};
use crate::rules::minutes_as_seconds;

/// How many workers the provider has room for, as `k8s/components/keda` asks a Prometheus whose minutes are seconds.
pub(crate) fn headroom(prometheus: &Prometheus) -> f64 {
    let object = fs::read_to_string(repository().join("k8s/components/keda/scaled-object.yaml")).unwrap();
    let (_, query) = object.split_once("query: >-\n").unwrap();
    let (query, _) = query.split_once("threshold:").unwrap();
    // Only in a cluster do series have a namespace.
    let query = query.replace("namespace=\"valuesim\",", "").replace("{namespace=\"valuesim\"}", "");
    let values = prometheus.query(&minutes_as_seconds(&query));
    let [value] = values[..] else { panic!("{query} gives {values:?}") };
    value
}
