//! Messages that are delivered more than once, which no broker rules out.

use secrecy::SecretString;
use valuesim_shared::id::ModelId;
use valuesim_shared::queue::{Queue as _, QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_test_servers::eventually;

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, TIMEOUT, WORKERS};

/// Additional copies of each message.
const COPIES: usize = 2;

/// Cells of the run.
const CELLS: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_tasks_change_nothing() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let settings = RabbitSettings::new(SecretString::from(fleet.urls.broker.clone()), "test");
    let queue = RabbitQueue::connect(settings).await.expect("connects");
    let run = fleet.wait_for_run().await;
    let story = QueueName { run: run.clone(), kind: QueueKind::Story(ModelId(0)) };
    let all_sent = async || {
        let depth = queue.depth(&story).await.expect("looks")?;
        (depth.messages as usize == CELLS).then_some(())
    };
    eventually("all story tasks", TIMEOUT, all_sent).await.expect("in time");
    for message in queue.browse(&story, CELLS).await.expect("looks") {
        for _ in 0..COPIES {
            queue.publish(&story, message.body.clone()).await.expect("is sent");
        }
    }
    queue.close().await;
    let workers = fleet.workers();
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}
