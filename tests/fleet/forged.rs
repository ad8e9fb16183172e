//! Somebody who may write to the broker and to the store does so while a run goes on: a hundred forged messages in all its
//! queues, and random values under its keys. The results are those of an undisturbed run.

use redis::aio::MultiplexedConnection;
use secrecy::SecretString;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Queue as _, QueueKind, QueueName, RabbitQueue, RabbitSettings};

use crate::fleet::{Fleet, LATENCY};
use crate::process::FleetProcess;
use crate::rng::Rng;

/// Messages in all queues together.
const MESSAGES: usize = 100;

/// Keys of the run that get another value, in each of some rounds.
const KEYS: usize = 12;

/// A message that no process of this program has written, of one of many kinds.
fn forged(rng: &mut Rng, run: &RunId) -> Vec<u8> {
    let cell =
        format!(r#"{{"model":{},"respondent":{},"fold":{}}}"#, rng.below(2), 1 + rng.below(60), 1 + rng.below(6));
    let run = if rng.below(3) == 0 { "another" } else { &run.0 };
    let text = match rng.below(12) {
        0 => String::new(),
        1 => "\0".repeat(300_000),
        2 => "[".repeat(50_000),
        3 => format!("{{\"version\":1,\"run\":\"{run}\",\"cell\":{cell}"),
        4 => format!(r#"{{"version":99,"run":"{run}","cell":{cell},"kind":"story","profile":""}}"#),
        5 => format!(r#"{{"version":1,"kind":"cab","run":"{run}","cell":{cell},"profile":"AAAA"}}"#),
        6 => {
            let arm = r#"{"method":"valuesim","answers":[9999],"ended":"a","decided":"c","asked":[1]}"#;
            format!(
                r#"{{"version":1,"run":"{run}","cell":{cell},"result":{{"arms":[{arm}]}},"spend":{{"stages":{{}},"reported_models":[]}}}}"#
            )
        }
        7 => format!(r#"{{"version":1,"reason":"because","body":"{cell}","at":1,"worker":"w"}}"#),
        8 => {
            let digest = "ab".repeat(32);
            format!(r#"{{"parts":3,"bytes":9,"digest":"{digest}","version":1,"run":"{run}","cell":{cell}}}"#)
        }
        9 => "\u{1b}[2J\u{202e}<script>".to_owned(),
        _ => return (0..rng.below(500)).map(|_| u8::try_from(rng.below(256)).expect("a byte")).collect(),
    };
    text.into_bytes()
}

async fn publish_forged(fleet: &Fleet, rng: &mut Rng, messages: usize) {
    let settings = RabbitSettings::new(SecretString::from(fleet.urls.broker.clone()), "test");
    let queue = RabbitQueue::connect(settings).await.expect("connects");
    let (run, model) = (fleet.run(), ModelId(0));
    let kinds = [
        QueueKind::Story(model),
        QueueKind::Cab(model),
        QueueKind::Results,
        QueueKind::Quarantine(model),
        QueueKind::NextVersion(model, 2),
        QueueKind::Dead,
    ];
    for number in 0..messages {
        let name = QueueName { run: run.clone(), kind: kinds[number % kinds.len()] };
        queue.publish(&name, forged(rng, &run).into()).await.expect("publishes");
    }
    queue.close().await;
}

/// Puts something else under some of the run's keys: random bytes, JSON of nothing, or a value of another type.
async fn overwrite_keys(store: &mut MultiplexedConnection, rng: &mut Rng, run: &RunId) {
    let pattern = format!("valuesim:{{{}[/}}]*", run.0);
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(store).await.expect("lists");
    for _ in 0..KEYS {
        let key = &keys[rng.below(keys.len())];
        let noise: Vec<u8> = (0..rng.below(200)).map(|_| u8::try_from(rng.below(256)).expect("a byte")).collect();
        let mut commands = redis::pipe();
        commands.cmd("DEL").arg(key).ignore();
        match rng.below(4) {
            0 => commands.cmd("RPUSH").arg(key).arg(noise),
            1 => commands.cmd("HSET").arg(key).arg("a").arg(noise),
            2 => commands.cmd("SET").arg(key).arg("{}"),
            _ => commands.cmd("SET").arg(key).arg(noise),
        };
        let _: () = commands.ignore().query_async(store).await.expect("writes");
    }
}

/// The lines of all workers about a hundred dead letters: of each the first, and a count after ten seconds and then less often.
const MOST_LINES: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_messages_and_values_change_no_result_and_end_no_process() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let mut workers = fleet.workers();
    let client = redis::Client::open(fleet.urls.store.as_str()).expect("is an address");
    let mut store = client.get_multiplexed_async_connection().await.expect("connects");
    let mut rng = Rng::new(15);
    for answered in [300, 1_200, 2_100] {
        fleet.wait_for_answered(answered).await;
        publish_forged(&fleet, &mut rng, MESSAGES / 3 + 1).await;
        overwrite_keys(&mut store, &mut rng, &fleet.run()).await;
    }
    fleet.resume_replies();
    coordinator.expect_success().await;
    for worker in &mut workers {
        assert!(!worker.has_ended(), "{}", worker.stderr());
    }
    let said: String = workers.iter().map(FleetProcess::stderr).collect();
    let letters = said.lines().filter(|line| line.contains("a message becomes a dead letter")).count();
    assert!(letters <= MOST_LINES, "{letters} lines: {said}");
    fleet.compare_with_one_process().await;
    for worker in workers {
        worker.terminate();
        worker.expect_success().await;
    }
}
