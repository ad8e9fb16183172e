//! The names and arguments of the queues in the broker.
//!
//! | queue | holds | dead letters |
//! | --- | --- | --- |
//! | `valuesim.RUN.MODEL.story` | story tasks of a model | to `valuesim.RUN.dead` |
//! | `valuesim.RUN.MODEL.cab` | CAB tasks of a model | to `valuesim.RUN.dead` |
//! | `valuesim.RUN.MODEL.suspects` | tasks that were delivered before and never finished | to `valuesim.RUN.dead` |
//! | `valuesim.RUN.MODEL.vN` | tasks of message version N, for workers that read it | to `valuesim.RUN.dead` |
//! | `valuesim.RUN.results` | outcomes for the coordinator | to `valuesim.RUN.dead` |
//! | `valuesim.RUN.dead` | messages that could not be processed | |
//!
//! All are durable quorum queues. A queue that exists with other arguments is left alone and reported as an error.

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::error::BrokerError;
use crate::id::{ModelId, RunId};
use crate::queue::{QueueError, QueueKind, QueueName};

/// After this many deliveries without an acknowledgement the broker itself moves a message to the dead letters.
const DELIVERY_LIMIT: i32 = 20;

/// By default RabbitMQ 4 drops messages after 20 deliveries; inspecting dead letters must not lose them.
const DEAD_DELIVERY_LIMIT: i32 = 1_000_000;

/// Tells this program's queues from those of others in the same virtual host.
const PREFIX: &str = "valuesim.";

/// The queue's name in the broker.
pub(super) fn broker_name(queue: &QueueName) -> Result<ShortString, QueueError> {
    let name = format!("{PREFIX}{queue}");
    ShortString::try_new(name.as_str())
        .map_err(|error| QueueError::Refused { queue: name, reason: format!("its name is too long: {error}") })
}

/// The queue that has this name in the broker.
pub(super) fn queue_of(broker_name: &str) -> Option<QueueName> {
    let (rest, kind) = broker_name.strip_prefix(PREFIX)?.rsplit_once('.')?;
    let of_model = |queue_kind: fn(ModelId) -> QueueKind| {
        let (run, model) = rest.rsplit_once('.')?;
        Some(QueueName { run: RunId(run.to_owned()), kind: queue_kind(ModelId(model.parse().ok()?)) })
    };
    let of_run = |queue_kind| Some(QueueName { run: RunId(rest.to_owned()), kind: queue_kind });
    match kind {
        "story" => of_model(QueueKind::Story),
        "cab" => of_model(QueueKind::Cab),
        "suspects" => of_model(QueueKind::Quarantine),
        "results" => of_run(QueueKind::Results),
        "dead" => of_run(QueueKind::Dead),
        _ => {
            let version: u16 = kind.strip_prefix('v')?.parse().ok()?;
            let (run, model) = rest.rsplit_once('.')?;
            let queue_kind = QueueKind::NextVersion(ModelId(model.parse().ok()?), version);
            Some(QueueName { run: RunId(run.to_owned()), kind: queue_kind })
        }
    }
}

/// Declares the queue and the queue of the run's dead letters. Changes nothing if they exist.
pub(super) async fn declare(channel: &lapin::Channel, queue: &QueueName) -> Result<(), BrokerError> {
    let dead = QueueName { run: queue.run.clone(), kind: QueueKind::Dead };
    let dead_name = broker_name(&dead)?;
    declare_one(channel, &dead, dead_arguments()).await?;
    match queue.kind {
        QueueKind::Story(_)
        | QueueKind::Cab(_)
        | QueueKind::Quarantine(_)
        | QueueKind::NextVersion(..)
        | QueueKind::Results => declare_one(channel, queue, work_arguments(&dead_name)).await,
        QueueKind::Dead => Ok(()),
    }
}

async fn declare_one(channel: &lapin::Channel, queue: &QueueName, arguments: FieldTable) -> Result<(), BrokerError> {
    let name = broker_name(queue)?;
    let declared = channel.queue_declare(name, QueueDeclareOptions::durable(), arguments).await;
    declared.map(drop).map_err(|error| BrokerError::of_queue(error, queue))
}

fn dead_arguments() -> FieldTable {
    table([("x-queue-type", text("quorum")), ("x-delivery-limit", AMQPValue::LongInt(DEAD_DELIVERY_LIMIT))])
}

/// The broker dead-letters messages at most once, which is its default. That is enough: this program moves its own dead
/// letters with confirms, and cells whose message the broker loses are dispatched again. At-least-once dead-lettering takes
/// a process for each queue, and in RabbitMQ 3.10 all quorum queues of a node stop working if such a process crashes, as it
/// does when queues are deleted soon after they were declared.
fn work_arguments(dead: &ShortString) -> FieldTable {
    table([
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(dead.as_str())),
        ("x-overflow", text("reject-publish")),
    ])
}

fn table<const N: usize>(entries: [(&'static str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(key.into(), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(queue_kind: QueueKind, expected: &str) {
        let queue = QueueName { run: RunId("r1".to_owned()), kind: queue_kind };
        assert_eq!(broker_name(&queue).map(String::from), Ok(expected.to_owned()));
    }

    proptest! {
        #[test]
        fn a_queue_is_found_by_its_name(run in ".{0,40}", model: u16, kind in 0..6_usize) {
            let model = ModelId(model);
            let kinds = [QueueKind::Story(model), QueueKind::Cab(model), QueueKind::Quarantine(model), QueueKind::NextVersion(model, 2), QueueKind::Results, QueueKind::Dead];
            let queue = QueueName { run: RunId(run), kind: kinds[kind] };
            let name = broker_name(&queue).expect("short enough");
            prop_assert_eq!(queue_of(name.as_str()), Some(queue));
        }
    }

    #[test]
    fn names_of_others_are_no_queues() {
        for name in ["", "valuesim.", "valuesim.r1", "other.r1.results", "valuesim.r1.story", "valuesim.r1.x.cab"] {
            assert_eq!(queue_of(name), None, "{name}");
        }
    }

    #[test]
    fn names_in_the_broker_never_change() {
        check(QueueKind::Story(ModelId(0)), "valuesim.r1.0.story");
        check(QueueKind::Cab(ModelId(12)), "valuesim.r1.12.cab");
        check(QueueKind::Quarantine(ModelId(0)), "valuesim.r1.0.suspects");
        check(QueueKind::NextVersion(ModelId(0), 2), "valuesim.r1.0.v2");
        check(QueueKind::Results, "valuesim.r1.results");
        check(QueueKind::Dead, "valuesim.r1.dead");
    }

    #[test]
    fn a_name_that_does_not_fit_is_an_error() {
        let queue = QueueName { run: RunId("x".repeat(250)), kind: QueueKind::Results };
        assert!(broker_name(&queue).is_err_and(|error| error.to_string().contains("too long")));
    }
}
