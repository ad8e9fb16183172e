//! Whose fault a failure is: the task's, the provider's, or the user's; a task is not charged with what is not its own.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use valuesim_shared::dead_letter::OnBadMessage;
use valuesim_shared::id::ModelId;
use valuesim_shared::method::Method;
use valuesim_shared::queue::QueueKind;
use valuesim_worker::error::WorkerError;
use valuesim_worker::provider::CallErrorKind;
use valuesim_worker::timeouts::HoldLimits;

use support::bench::{Bench, Setup, fold};
use support::person::Person;
use support::server::{Server, Step, ok, response};

#[allow(dead_code, reason = "each test program uses a part")]
mod support;

fn refusal(status: &str, code: &str) -> Vec<Step> {
    response(status, "", json!({"error": {"message": "No.", "code": code}}).to_string().as_bytes())
}

fn parked() -> OnBadMessage {
    OnBadMessage::DeadLetter { by: "test".to_owned() }
}

/// Longer than the grace of the worker, shorter than anybody's patience.
const SLOW: Duration = Duration::from_millis(600);

#[tokio::test]
async fn a_call_that_fails_is_the_reason_also_where_others_take_longer_than_the_grace() {
    let person = Person::new(fold());
    let server = Server::start(Arc::new(move |request, before| match before {
        0 => refusal("401 Unauthorized", "invalid_api_key"),
        _ => [vec![Step::Pause(SLOW)], ok(&person.reply(request))].concat(),
    }));
    let mut setup = Setup::new(server.address);
    setup.method = Method::FullInfo;
    setup.model.limits.calls_in_flight = 4;
    setup.timeouts.hold_limits = HoldLimits { max_hold: None, grace: Some(SLOW / 20) };
    let bench = Bench::new(Setup { on_bad_message: parked(), ..setup }).await;
    let error = bench.fail().await;
    assert!(
        matches!(&error, WorkerError::Provider { error, .. } if error.kind == CallErrorKind::MissingKey),
        "{error}"
    );
    // Calls in flight were waited for, not given up and made again.
    let seen = bench.meter().read();
    assert_eq!((seen.sent, seen.failed, seen.in_flight), (server.requests().len() as u64, 1, 0));
    assert!(seen.sent <= 4, "{} calls after the first was refused", seen.sent);
}

#[tokio::test]
async fn a_provider_that_takes_no_call_costs_hardly_a_task_an_attempt() {
    let server = Server::always(refusal("400 Bad Request", "unknown_parameter"));
    let cells = 40;
    let bench = Bench::new(Setup { cells, on_bad_message: parked(), ..Setup::new(server.address) }).await;
    let error = bench.fail().await;
    assert!(
        matches!(&error, WorkerError::Provider { error, .. } if error.kind == CallErrorKind::BadRequest),
        "{error}"
    );
    let tasks = bench.waiting(QueueKind::Story(ModelId(0))).await;
    assert_eq!(tasks.len(), cells as usize, "every task is back");
    let charged: usize = tasks.iter().map(|task| task.history.len()).sum();
    assert!(charged < 5, "{charged} attempts were charged to tasks");
    assert!(bench.waiting(QueueKind::Dead).await.is_empty());
}
