//! The failed calls of a run by class, all workers together.

use std::collections::BTreeMap;

use valuesim_shared::control::{FailureClass, WorkerReport};
use valuesim_shared::id::RunId;

/// The failures of a run's calls, the most frequent class first.
pub(super) fn failures(run: &RunId, workers: &[WorkerReport]) -> Vec<FailureClass> {
    let activities = workers.iter().flat_map(|worker| &worker.activity.runs).filter(|activity| activity.run == *run);
    let mut classes: BTreeMap<(&str, &str), FailureClass> = BTreeMap::new();
    for found in activities.flat_map(|activity| &activity.failures) {
        let key = (found.class.as_str(), found.model.as_str());
        classes.entry(key).and_modify(|sum| sum.add(found)).or_insert_with(|| found.clone());
    }
    let mut classes: Vec<FailureClass> = classes.into_values().collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.count));
    classes
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{Activity, RunActivity, UnixMillis};
    use valuesim_shared::money::NanoUsd;

    use super::*;
    use crate::commands::status::tests::{run_id, worker};

    fn of(run: RunId, failures: Vec<FailureClass>) -> WorkerReport {
        let run = RunActivity {
            run,
            sent: 10,
            answered: 5,
            failed: 5,
            to_be_retried: 0,
            cost: NanoUsd(0),
            wasted_at_most: NanoUsd(0),
            failures,
        };
        WorkerReport { activity: Activity { runs: vec![run], waits: Vec::new() }, ..worker(1) }
    }

    #[test]
    fn classes_of_all_workers_add_up_and_those_of_other_runs_do_not() {
        let class = |class: &str, count| FailureClass {
            model: "m".to_owned(),
            class: class.to_owned(),
            count,
            first_at: UnixMillis(1),
            last_at: UnixMillis(2),
            example: "down".to_owned(),
        };
        let workers = [
            of(run_id(), vec![class("timeout", 2), class("auth", 4)]),
            of(run_id(), vec![class("timeout", 3)]),
            of(RunId("other".to_owned()), vec![class("timeout", 100)]),
        ];
        let found = failures(&run_id(), &workers);
        let shown: Vec<_> = found.iter().map(|class| (class.class.as_str(), class.count)).collect();
        assert_eq!(shown, [("timeout", 5), ("auth", 4)]);
    }
}
