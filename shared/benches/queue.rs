//! Messages per second through RabbitMQ: publishing with confirmation, and receiving with acknowledgement.
#![expect(clippy::print_stdout, reason = "a benchmark's results are its output")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Delivery as _, Queue as _, QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::shared_broker;

/// The number of messages in a measurement.
const MESSAGES: usize = 50_000;

/// The number of unconfirmed publishes.
const IN_FLIGHT: usize = 1_000;

/// The prefetch limit of the consumer.
const ROOM: usize = 500;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let vhost = shared_broker().await;
    let settings = RabbitSettings::new(SecretString::from(vhost.url.clone()), "valuesim bench");
    let queue = RabbitQueue::connect(settings).await?;
    for (model, bytes) in [200, 1_000].into_iter().enumerate() {
        let kind = QueueKind::Story(ModelId(u16::try_from(model)?));
        let name = QueueName { run: RunId("bench".to_owned()), kind };
        let published = publish_all(&queue, &name, bytes).await?;
        println!("{bytes} bytes, {IN_FLIGHT} in flight: {:.0} confirmed publishes a second", rate(published));
        let taken = take_all(&queue, &name).await?;
        println!("{bytes} bytes, room {ROOM}: {:.0} takes with acknowledgement a second", rate(taken));
    }
    queue.close().await;
    Ok(())
}

fn rate(took: Duration) -> f64 {
    MESSAGES as f64 / took.as_secs_f64()
}

async fn publish_all(queue: &RabbitQueue, name: &QueueName, bytes: usize) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut publishing = JoinSet::new();
    for number in 0..MESSAGES {
        let permit = Arc::clone(&permits).acquire_owned().await.context("the semaphore is never closed")?;
        let (queue, name) = (queue.clone(), name.clone());
        let body = Bytes::from(vec![u8::try_from(number % 256)?; bytes]);
        publishing.spawn(async move {
            let published = queue.publish(&name, body).await;
            drop(permit);
            published
        });
    }
    for published in publishing.join_all().await {
        published?;
    }
    Ok(start.elapsed())
}

async fn take_all(queue: &RabbitQueue, name: &QueueName) -> anyhow::Result<Duration> {
    let start = Instant::now();
    for _ in 0..MESSAGES {
        queue.take(name, ROOM).await?.ack().await?;
    }
    Ok(start.elapsed())
}
