//! What a user is told who got the broker's address, account or queues wrong.

use std::time::Duration;

use bytes::Bytes;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use valuesim_shared::queue::{Queue as _, QueueError, QueueKind, RabbitQueue, RabbitSettings};
use valuesim_test_servers::shared_broker;

use crate::support::{fresh, name, settings, story};

/// The error of a connection to `url`, which says all of `expected` and never the password.
async fn check(url: &str, expected: &[&str]) {
    let settings = RabbitSettings { patience: Duration::from_millis(300), ..settings(url) };
    let error = RabbitQueue::connect(settings).await.expect_err("no connection").to_string();
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_cannot_be_made_says_where_why_and_what_to_do() {
    let vhost = shared_broker().await;
    let wrong_password = vhost.url.replace("guest:guest", "guest:secret");
    check(&wrong_password, &["connect to RabbitMQ at amqp://127.0.0.1:", "ACCESS_REFUSED", "user and the password"])
        .await;
    let (server, _) = vhost.url.rsplit_once('/').expect("a virtual host");
    check(&format!("{server}/nowhere"), &["/nowhere: ", "vhost nowhere not found", "virtual host exists"]).await;
    check("amqp://me:secret@127.0.0.1:1/x", &["amqp://127.0.0.1:1/x", "refused", "host and the port"]).await;
    check("amqp://me:secret@no.such.host.invalid", &["amqp://no.such.host.invalid:5672", "host and the port"]).await;
    check("http://me:secret@127.0.0.1", &["amqp://user:password@host:port/vhost"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_does_not_speak_tls_is_an_error() {
    let vhost = shared_broker().await;
    check(&vhost.url.replace("amqp://", "amqps://"), &["connect to RabbitMQ at amqps://127.0.0.1:"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_arguments_is_named_with_what_to_do() {
    let (queue, vhost) = fresh().await;
    let stranger = Connection::connect(&vhost.url, ConnectionProperties::default()).await.expect("connected");
    let channel = stranger.create_channel().await.expect("a channel");
    let declared = channel
        .queue_declare("valuesim.r1.0.story".into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await;
    declared.expect("declared");
    let check = |error: QueueError| {
        assert!(matches!(error, QueueError::OtherArguments { .. }), "{error}");
        let text = error.to_string();
        for part in ["valuesim.r1.0.story", "valuesim purge r1", "virtual host", "x-"] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
    };
    check(queue.publish(story(), Bytes::new()).await.expect_err("refused"));
    check(queue.take(story(), 1).await.expect_err("refused"));
    check(queue.take(story(), 1).await.expect_err("refused again"));
    let results = name(QueueKind::Results);
    queue.publish(&results, Bytes::from("others are not touched")).await.expect("published");
    queue.delete(story()).await.expect("deleted");
    queue.publish(story(), Bytes::new()).await.expect("published after it was deleted");
    queue.take(story(), 1).await.expect("a message");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_no_broker_takes_is_refused_here() {
    let (queue, _vhost) = fresh().await;
    let error = queue.publish(story(), Bytes::from(vec![0; 17 << 20])).await.expect_err("too large");
    assert!(matches!(error, QueueError::TooLarge { bytes: 17_825_792, .. }), "{error}");
}
