//! What the calls of a run came to, all its workers together, those that are gone included.

use valuesim_shared::control::{CallTotals, WorkerReport};

use super::found::RunStatus;

/// What the calls of a run came to. Its coordinator adds up what workers report and keeps the sum when they are gone, but is
/// two seconds behind, or away; the workers that are alive know only their own calls. The greater number is the later one.
/// Takes the sum out of the run's entry, so that it is shown once.
pub(super) fn calls(run: &mut RunStatus, workers: &[WorkerReport]) -> CallTotals {
    let of_coordinator = run.about.as_mut().map(|about| std::mem::take(&mut about.calls)).unwrap_or_default();
    let of_workers = CallTotals::of_reports(&run.run, workers);
    of_coordinator.or_later(&of_workers).or_later(&run.calls)
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{Activity, FailureClass, RunActivity, UnixMillis};
    use valuesim_shared::id::RunId;
    use valuesim_shared::money::NanoUsd;

    use super::*;
    use crate::commands::status::tests::{healthy, run_id, worker};

    fn activity(run: RunId, failed: &[(&str, u64)]) -> RunActivity {
        let class = |&(class, count): &(&str, u64)| FailureClass {
            model: "m".to_owned(),
            class: class.to_owned(),
            count,
            first_at: UnixMillis(1),
            last_at: UnixMillis(2),
            example: "down".to_owned(),
        };
        RunActivity {
            run,
            sent: 10,
            answered: 5,
            failed: 5,
            to_be_retried: 0,
            cost: NanoUsd(0),
            wasted_at_most: NanoUsd(5),
            failures: failed.iter().map(class).collect(),
        }
    }

    fn of(run: RunId, failed: &[(&str, u64)]) -> WorkerReport {
        WorkerReport { activity: Activity { runs: vec![activity(run, failed)], waits: Vec::new() }, ..worker(1) }
    }

    #[test]
    fn calls_of_all_workers_add_up_and_those_of_other_runs_do_not() {
        let mut status = healthy();
        let workers = [
            of(run_id(), &[("timeout", 2), ("auth", 4)]),
            of(run_id(), &[("timeout", 3)]),
            of(RunId("other".to_owned()), &[("timeout", 100)]),
        ];
        let found = calls(&mut status.runs[0], &workers);
        let shown: Vec<_> = found.failures.iter().map(|class| (class.class.as_str(), class.count)).collect();
        assert_eq!(shown, [("timeout", 5), ("auth", 4)]);
        assert_eq!((found.sent, found.wasted_at_most), (20, NanoUsd(10)));
    }

    #[test]
    fn what_workers_did_that_are_gone_is_not_forgotten() {
        let mut status = healthy();
        let mut before = CallTotals::default();
        before.add(&activity(run_id(), &[("timeout", 7)]));
        before.add(&activity(run_id(), &[("auth", 1)]));
        status.runs[0].about.as_mut().expect("it is known").calls = before.clone();
        status.workers = vec![of(run_id(), &[("auth", 3)])];
        status.conclude();
        let run = &status.runs[0];
        assert_eq!((run.calls.sent, run.money.wasted_at_most), (20, NanoUsd(10)));
        let shown: Vec<_> = run.failures.iter().map(|class| (class.class.as_str(), class.count)).collect();
        assert_eq!(shown, [("timeout", 7), ("auth", 3)]);
    }
}
