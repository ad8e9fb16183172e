//! What holds a run up most: the first thing to look at, or to change, to make it faster.

use indicatif::HumanCount;
use valuesim_shared::control::{DesiredState, RunTrouble, UnixMillis, WaitReason, WorkerReport};
use valuesim_shared::queue::QueueKind;

use super::conclusion::{Bottleneck, BottleneckKind};
use super::found::{RunStatus, Server, Status};
use super::waiting::of_reason;
use crate::columns::{one_line, shortened};

/// More waiting outcomes than a coordinator that keeps up would leave: it takes a thousand at a time.
pub(super) const MANY_OUTCOMES: u32 = 5_000;

/// A problem with a server counts as present for this long after it was reported.
const PRESENT_MS: u64 = 6_000;

/// Maximum characters shown of what workers say.
const MAX_TROUBLE_CHARS: usize = 200;

/// The share of the calls that may be in flight from which on workers are full.
const FULL: f64 = 0.95;

/// What holds up a run that `workers` serve; `None` if it has ended or nothing is known to.
pub(super) fn bottleneck(status: &Status, run: &RunStatus, workers: &[&WorkerReport]) -> Option<Bottleneck> {
    if !run.is_open() || run.is_unknown() {
        return None;
    }
    order(run)
        .or_else(|| servers(status, run, workers))
        .or_else(|| processes(run, workers, status.refusals_of(&run.run).next()))
        .or_else(|| waits(workers))
        .or_else(|| full(run, workers))
}

fn order(run: &RunStatus) -> Option<Bottleneck> {
    let order = run.order.as_ref().filter(|order| order.desired != DesiredState::Go)?;
    let what = if order.desired == DesiredState::Pause { "paused" } else { "being cancelled" };
    Some(Bottleneck::new(BottleneckKind::Order, format!("it is {what} by {}", one_line(&order.by))))
}

fn servers(status: &Status, run: &RunStatus, workers: &[&WorkerReport]) -> Option<Bottleneck> {
    let away = |server, name: &str| {
        let is_away = !status.has_reached(server);
        is_away.then(|| Bottleneck::new(BottleneckKind::Servers, format!("the {name} cannot be reached from here")))
    };
    let UnixMillis(now) = status.at;
    let is_present = |(at, _): &&(UnixMillis, String)| now.saturating_sub(at.0) < PRESENT_MS;
    let troubles = run.coordinators.iter().filter_map(|coordinator| coordinator.last_trouble.as_ref());
    let of_workers = || {
        let mut found = workers.iter().filter_map(|worker| of_server(worker).filter(is_present)).peekable();
        let first = *found.peek()?;
        (2 * found.count() > workers.len()).then_some(first)
    };
    let reported = || troubles.filter(is_present).chain(of_workers()).map(|(_, text)| one_line(text)).next();
    away(Server::Store, "store")
        .or_else(|| away(Server::Broker, "broker"))
        .or_else(|| reported().map(|text| Bottleneck::new(BottleneckKind::Servers, text)))
}

/// A worker's last trouble if it is with a server, and not with a run's calls.
fn of_server(worker: &WorkerReport) -> Option<&(UnixMillis, String)> {
    let (at, text) = worker.last_trouble.as_ref()?;
    let is_of_run = worker.troubles.iter().any(|trouble| trouble.at == *at && trouble.text == *text);
    if is_of_run { None } else { worker.last_trouble.as_ref() }
}

fn processes(
    run: &RunStatus,
    workers: &[&WorkerReport],
    refusal: Option<(&WorkerReport, &RunTrouble)>,
) -> Option<Bottleneck> {
    let outcomes = run.messages_in(|kind| kind == QueueKind::Results);
    let (kind, text) = if run.coordinators.is_empty() {
        (BottleneckKind::Coordinator, "no coordinator is alive, so nothing is recorded".to_owned())
    } else if outcomes >= MANY_OUTCOMES {
        let text = format!("{outcomes} finished cells wait to be recorded: the coordinator or its disk is too slow");
        (BottleneckKind::Coordinator, text)
    } else if let (Some((_, trouble)), true) = (refusal, workers.is_empty()) {
        let text = format!("its workers refuse it: {}", shortened(&trouble.text, MAX_TROUBLE_CHARS));
        (BottleneckKind::Workers, text)
    } else if workers.is_empty() {
        (BottleneckKind::Workers, "no worker serves it".to_owned())
    } else if workers.iter().all(|worker| worker.draining) {
        (BottleneckKind::Workers, "all its workers are about to end".to_owned())
    } else {
        return None;
    };
    Some(Bottleneck::new(kind, text))
}

/// What the calls of some worker wait for; a full number of calls in flight is no reason, because that is normal.
fn waits(workers: &[&WorkerReport]) -> Option<Bottleneck> {
    let reasons = workers.iter().flat_map(|worker| &worker.activity.waits);
    let is_provider = |reason| {
        use WaitReason as Wait;
        let limited = matches!(
            reason,
            Wait::ProviderCallsInFlight(_) | Wait::ProviderRequestsPerMinute(_) | Wait::ProviderTokensPerMinute(..)
        );
        limited || matches!(reason, Wait::Cooldown | Wait::CircuitOpen | Wait::SlowStart(_))
    };
    let is_own = |reason| matches!(reason, WaitReason::RequestsPerMinute(_) | WaitReason::TokensPerMinute(..));
    let provider = reasons.clone().find(|wait| is_provider(wait.reason)).map(|wait| (BottleneckKind::Provider, wait));
    let own = || reasons.clone().find(|wait| is_own(wait.reason)).map(|wait| (BottleneckKind::OwnLimit, wait));
    let (kind, wait) = provider.or_else(own)?;
    let (_, what) = of_reason(wait.reason);
    Some(Bottleneck::new(kind, format!("{} waits for {what}", one_line(&wait.model))))
}

/// All calls that may be in flight are: more workers, or a higher limit, make it faster if the provider allows.
fn full(run: &RunStatus, workers: &[&WorkerReport]) -> Option<Bottleneck> {
    let in_flight: u64 = workers.iter().map(|worker| u64::from(worker.calls_in_flight)).sum();
    let capacity: u64 = workers.iter().map(|worker| u64::from(worker.capacity)).sum();
    if capacity > 0 && in_flight as f64 >= capacity as f64 * FULL {
        let text = format!(
            "all {} calls that may be in flight are: more workers or a higher limit of calls in flight make it faster, if \
             the provider allows",
            HumanCount(capacity)
        );
        return Some(Bottleneck::new(BottleneckKind::OwnLimit, text));
    }
    let tasks = run.messages_in(|kind| matches!(kind, QueueKind::Story(_) | QueueKind::Cab(_)));
    let is_idle = tasks > 0 && workers.iter().all(|worker| worker.tasks == 0);
    is_idle.then(|| Bottleneck::new(BottleneckKind::Workers, "tasks wait and no worker takes them"))
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{Refusal, WaitReport};

    use valuesim_shared::permit::TokenKind;

    use super::*;
    use crate::commands::status::found::Unreached;
    use crate::commands::status::tests::{healthy, pause, seconds_ago};

    fn check(change: impl FnOnce(&mut Status), expected: Option<(BottleneckKind, &str)>) {
        let mut status = healthy();
        change(&mut status);
        let run = &status.runs[0];
        let found = bottleneck(&status, run, &status.workers_of(&run.run));
        let found = found.as_ref().map(|found| (found.kind, found.text.as_str()));
        match (found, expected) {
            (Some((kind, text)), Some((expected, says))) => {
                assert!(kind == expected && text.contains(says), "{kind:?}: {text}");
            }
            (found, expected) => assert_eq!(found, expected),
        }
    }

    #[test]
    fn the_first_thing_that_holds_a_run_up_is_said() {
        use BottleneckKind::{Coordinator, Order, OwnLimit, Provider, Servers, Workers};
        check(|_| {}, Some((OwnLimit, "all 128 calls")));
        check(|status| status.workers[0].calls_in_flight = 1, None);
        check(|status| status.runs[0].order = Some(pause()), Some((Order, "paused by ada@h1")));
        check(|status| status.workers.clear(), Some((Workers, "no worker")));
        let refused = |status: &mut Status| {
            for worker in &mut status.workers {
                let (run, at, refusal) = (worker.runs.remove(0), seconds_ago(1), Some(Refusal::default()));
                let text = "the provider refused\nthe key".to_owned();
                worker.troubles = vec![RunTrouble { run, model: None, at, text, left_alone_until: None, refusal }];
            }
        };
        check(refused, Some((Workers, "its workers refuse it: the provider refused the key")));
        check(|status| status.runs[0].coordinators.clear(), Some((Coordinator, "no coordinator")));
        let away = |status: &mut Status| {
            status.unreached.push(Unreached { server: Server::Broker, why: "refused".to_owned() });
        };
        check(away, Some((Servers, "the broker cannot be reached")));
        let blocked = |status: &mut Status| {
            let text = "the broker takes no messages: low on disk".to_owned();
            status.runs[0].coordinators[0].last_trouble = Some((seconds_ago(1), text));
        };
        check(blocked, Some((Servers, "low on disk")));
        let workers_blocked = |seen: usize| {
            move |status: &mut Status| {
                let trouble = (seconds_ago(1), "the broker takes no messages: low on memory".to_owned());
                status.workers[..seen].iter_mut().for_each(|worker| worker.last_trouble = Some(trouble.clone()));
            }
        };
        check(workers_blocked(2), Some((Servers, "low on memory")));
        check(workers_blocked(1), Some((OwnLimit, "all 128 calls")));
        let of_the_provider = |status: &mut Status| {
            workers_blocked(2)(status);
            for worker in &mut status.workers {
                let (at, text) = worker.last_trouble.clone().expect("it has one");
                let run = worker.runs[0].clone();
                worker.troubles =
                    vec![RunTrouble { run, model: None, at, text, left_alone_until: None, refusal: None }];
            }
        };
        check(of_the_provider, Some((OwnLimit, "all 128 calls")));
        let waits = |reason| {
            move |status: &mut Status| {
                let wait = WaitReport { model: "m".to_owned(), reason, left_ms: None };
                status.workers[1].activity.waits = vec![wait];
            }
        };
        check(waits(WaitReason::CircuitOpen), Some((Provider, "m waits for the provider, which does not answer")));
        check(
            waits(WaitReason::TokensPerMinute(TokenKind::All, 9)),
            Some((OwnLimit, "its own limit of 9 tokens a minute")),
        );
        let idle = |status: &mut Status| {
            status.workers.iter_mut().for_each(|worker| (worker.tasks, worker.calls_in_flight) = (0, 0));
        };
        check(idle, Some((Workers, "no worker takes them")));
    }

    #[test]
    fn a_run_that_has_ended_has_no_bottleneck() {
        let finished = |status: &mut Status| {
            let about = status.runs[0].about.as_mut().expect("it is known");
            about.phase = valuesim_shared::control::RunPhase::Finished;
        };
        check(finished, None);
    }
}
