//! Names, settings and waits of the queue tests.

use std::sync::LazyLock;
use std::time::Duration;

use secrecy::SecretString;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::{Vhost, shared_broker};

pub(crate) fn name(kind: QueueKind) -> QueueName {
    QueueName { run: RunId("r1".to_owned()), kind }
}

pub(crate) fn story() -> &'static QueueName {
    static STORY: LazyLock<QueueName> = LazyLock::new(|| name(QueueKind::Story(ModelId(0))));
    &STORY
}

pub(crate) fn settings(url: &str) -> RabbitSettings {
    RabbitSettings::new(SecretString::from(url.to_owned()), "valuesim test")
}

/// Queues in a virtual host of their own, which goes with the second part.
pub(crate) async fn fresh() -> (RabbitQueue, Vhost) {
    let vhost = shared_broker().await;
    (connect(&vhost.url).await, vhost)
}

pub(crate) async fn connect(url: &str) -> RabbitQueue {
    RabbitQueue::connect(settings(url)).await.expect("connected")
}

/// Looks again and again until `look` finds it so.
pub(crate) async fn until(what: &str, look: impl AsyncFn() -> bool) {
    let look = async || look().await.then_some(());
    let seen = valuesim_test_servers::eventually(what, Duration::from_mins(2), look).await;
    seen.unwrap_or_else(|error| panic!("{error}"));
}
