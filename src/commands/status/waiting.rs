//! What of a run only seems to run: what waits, for what, and how much of it.

use std::collections::BTreeMap;

use indicatif::HumanCount;
use valuesim_shared::control::{DesiredState, WaitReason, WorkerReport};
use valuesim_shared::queue::QueueKind;

use super::conclusion::{Counted, Waiting, WaitingKind};
use super::found::RunStatus;
use crate::commands::queues::FoundQueue;

/// What waits in a run that `workers` serve; `all` are all workers, some of which may have left it for a while.
pub(super) fn waiting(run: &RunStatus, workers: &[&WorkerReport], all: &[WorkerReport], now: u64) -> Vec<Waiting> {
    let mut found = Vec::new();
    found.extend(ordered(run));
    found.extend(limits(workers));
    found.extend(retries(run, workers));
    found.extend(held(run, all, now));
    found.extend(queues(run));
    found
}

fn ordered(run: &RunStatus) -> Option<Waiting> {
    let order = run.order.as_ref().filter(|order| order.desired == DesiredState::Pause && run.is_open())?;
    let count = run.coordinators.first().map_or(0, |coordinator| coordinator.cells.under_way);
    let text = format!("paused by {}", order.by);
    Some(Waiting { kind: WaitingKind::Order, count, of: Counted::Cells, model: None, text, left_ms: None })
}

/// What the workers' calls wait for, by model and reason.
fn limits(workers: &[&WorkerReport]) -> Vec<Waiting> {
    let mut groups: BTreeMap<(&str, WaitReason), (u64, Option<u64>)> = BTreeMap::new();
    for wait in workers.iter().flat_map(|worker| &worker.activity.waits) {
        let (count, left_ms) = groups.entry((&wait.model, wait.reason)).or_default();
        *count += 1;
        *left_ms = (*left_ms).max(wait.left_ms);
    }
    let waiting = |((model, reason), (count, left_ms)): ((&str, WaitReason), (u64, Option<u64>))| {
        let (kind, text) = of_reason(reason);
        Waiting { kind, count, of: Counted::Workers, model: Some(model.to_owned()), text, left_ms }
    };
    groups.into_iter().map(waiting).collect()
}

/// The kind of a reason, and what is waited for.
pub(super) fn of_reason(reason: WaitReason) -> (WaitingKind, String) {
    let own = |limit: u32, what: &str| {
        (WaitingKind::OwnLimit, format!("its own limit of {} {what}", HumanCount(limit.into())))
    };
    let provider = |limit: u32, what: &str| {
        (WaitingKind::Provider, format!("its provider's limit of {} {what}", HumanCount(limit.into())))
    };
    match reason {
        WaitReason::CallsInFlight(limit) => own(limit, "calls in flight"),
        WaitReason::RequestsPerMinute(limit) => own(limit, "requests a minute"),
        WaitReason::TokensPerMinute(kind, limit) => own(limit, &format!("{} a minute", kind.text())),
        WaitReason::ProviderCallsInFlight(limit) => provider(limit, "calls in flight"),
        WaitReason::ProviderRequestsPerMinute(limit) => provider(limit, "requests a minute"),
        WaitReason::ProviderTokensPerMinute(kind, limit) => provider(limit, &format!("{} a minute", kind.text())),
        WaitReason::SlowStart(pace) => (
            WaitingKind::Provider,
            format!("its provider's limit, which is not known yet: {pace} requests a minute now"),
        ),
        WaitReason::Recovering => {
            (WaitingKind::Held, "workers to say what they have sent, after the store lost it".to_owned())
        }
        WaitReason::Cooldown => (WaitingKind::Provider, "the end of a pause that the provider asked for".to_owned()),
        WaitReason::CircuitOpen => (WaitingKind::Provider, "the provider, which does not answer".to_owned()),
        WaitReason::Stalled => (WaitingKind::Held, "its connections, after the process stood still".to_owned()),
    }
}

fn retries(run: &RunStatus, workers: &[&WorkerReport]) -> Option<Waiting> {
    let activities = workers.iter().flat_map(|worker| &worker.activity.runs).filter(|of| of.run == run.run);
    let count: u64 = activities.map(|activity| u64::from(activity.to_be_retried)).sum();
    let text = "another attempt after a failure".to_owned();
    (count > 0).then_some(Waiting {
        kind: WaitingKind::Retry,
        count,
        of: Counted::Calls,
        model: None,
        text,
        left_ms: None,
    })
}

/// Workers that have left the run for a while.
fn held(run: &RunStatus, all: &[WorkerReport], now: u64) -> Option<Waiting> {
    let troubles = all.iter().flat_map(|worker| &worker.troubles).filter(|trouble| trouble.run == run.run);
    let left: Vec<u64> =
        troubles.filter_map(|trouble| trouble.left_alone_until?.0.checked_sub(now).filter(|left| *left > 0)).collect();
    let (count, text) = (left.len() as u64, "another try, after they could not serve the run".to_owned());
    let left_ms = left.into_iter().max();
    (count > 0).then_some(Waiting { kind: WaitingKind::Held, count, of: Counted::Workers, model: None, text, left_ms })
}

fn queues(run: &RunStatus) -> impl Iterator<Item = Waiting> {
    run.queues().filter(|queue| queue.messages() > 0).filter_map(|queue| of_queue(run, queue))
}

fn of_queue(run: &RunStatus, queue: &FoundQueue) -> Option<Waiting> {
    let (kind, of, text) = match queue.name.kind {
        QueueKind::Story(_) => (WaitingKind::Queue, Counted::Tasks, "a free worker, to write their backstories"),
        QueueKind::Cab(_) => (WaitingKind::Queue, Counted::Tasks, "a free worker, to answer their questions"),
        QueueKind::Quarantine(_) => {
            (WaitingKind::Queue, Counted::Tasks, "a worker, one at a time, because they may have killed one")
        }
        QueueKind::NextVersion(..) => (WaitingKind::Queue, Counted::Tasks, "a worker of a newer release"),
        QueueKind::Results => (WaitingKind::Coordinator, Counted::Cells, "the coordinator, to be recorded"),
        QueueKind::Dead => return None,
    };
    let model = queue.model().map(|model| run.model(model.0.into()));
    Some(Waiting { kind, count: queue.messages().into(), of, model, text: text.to_owned(), left_ms: None })
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::WaitReport;

    use super::*;
    use crate::commands::status::tests::{healthy, pause, worker};

    #[test]
    fn what_waits_is_told_with_what_it_waits_for() {
        let mut status = healthy();
        status.runs[0].order = Some(pause());
        let wait = |reason, left_ms| WaitReport { model: "gpt-4o-mini".to_owned(), reason, left_ms };
        let mut workers = [worker(1), worker(2)];
        workers[0].activity.waits = vec![wait(WaitReason::Cooldown, Some(2_000))];
        workers[1].activity.waits =
            vec![wait(WaitReason::Cooldown, Some(9_000)), wait(WaitReason::RequestsPerMinute(60), None)];
        let found = waiting(&status.runs[0], &workers.each_ref(), &workers, 0);
        let text = |waiting: &Waiting| format!("{} {:?}: {}", waiting.count, waiting.of, waiting.text);
        let texts: Vec<String> = found.iter().map(text).collect();
        assert_eq!(
            texts,
            [
                "2000 Cells: paused by ada@h1",
                "1 Workers: its own limit of 60 requests a minute",
                "2 Workers: the end of a pause that the provider asked for",
                "1900 Tasks: a free worker, to write their backstories",
                "1900 Tasks: a free worker, to write their backstories",
            ]
        );
        assert_eq!(found[2].left_ms, Some(9_000), "the longest of all workers");
    }
}
