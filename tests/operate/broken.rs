//! Unreachable servers: commands show what they can reach, report what they cannot, and do not wait for long.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use valuesim_shared::control::AboutRun;
use valuesim_shared::control::Control as _;
use valuesim_shared::queue::{Queue as _, QueueKind};
use valuesim_test_servers::{Broker, Proxy, RedisServer, eventually, shared_broker};

use crate::support::{
    CommandOutput, Operator, Running, STORY, TIMEOUT, about, name, task, until, until_waiting, worker,
};

/// A limit for hangs: commands take about five seconds on an idle machine.
const SOON: Duration = Duration::from_mins(1);

/// Coordinates a run that cannot proceed, because nothing answers its calls.
const COORDINATE: [&str; 11] = [
    "coordinate",
    "--synthetic",
    "60",
    "--users",
    "1",
    "--methods",
    "valuesim",
    "--model",
    "m",
    "--base-url",
    "http://127.0.0.1:1/v1",
];

/// Runs the command, which must end soon.
#[track_caller]
fn soon(operator: &Operator, arguments: &[&str], code: i32) -> CommandOutput {
    let start = Instant::now();
    let output = operator.run(arguments).expect_code(code);
    assert!(start.elapsed() < SOON, "{arguments:?} took {:?}", start.elapsed());
    output
}

/// Runs commands side by side, because each may wait for an unreachable server. All must end soon, with the same code.
#[track_caller]
fn all_soon(operator: &Operator, commands: &[&[&str]], code: i32) -> Vec<CommandOutput> {
    let start = Instant::now();
    let running: Vec<Running> = commands.iter().map(|arguments| operator.start(arguments)).collect();
    let outputs = running.into_iter().map(|running| running.wait().expect_code(code)).collect();
    assert!(start.elapsed() < SOON, "{commands:?} took {:?}", start.elapsed());
    outputs
}

#[track_caller]
fn says(output: &CommandOutput, expected: &[&str]) {
    for expected in expected {
        assert!(output.stdout.contains(expected), "{expected:?} is not in:\n{}", output.stdout);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_server_is_away_commands_use_the_other() {
    let (broker, redis) = tokio::join!(Broker::start(), RedisServer::start());
    let (mut broker, mut redis) = (broker.unwrap(), redis.unwrap());
    let operator = Operator::at(broker.url(), redis.url());
    let (queue, control) = (operator.queue().await, operator.control().await);
    control.announce(&about()).await.unwrap();
    control.report_worker(&worker()).await.unwrap();
    queue.publish(&name(STORY), task(7, &[]).to_bytes().into()).await.unwrap();
    queue.publish(&name(QueueKind::Dead), Bytes::from("not a task")).await.unwrap();
    until_waiting(&queue, &name(QueueKind::Dead), 1).await;

    let all = soon(&operator, &["status"], 0);
    says(
        &all,
        &["run r1: begun", "no such queue", "valuesim dead list r1", "no coordinator is alive", "1 worker is alive"],
    );
    says(&all, &["worker-of-the-test, just now: the provider\\u{1b}[2J is away"]);
    assert!(!all.stdout.contains('\u{1b}'), "{}", all.stdout);

    redis.stop().await.unwrap();
    let without_store = soon(&operator, &["status", "r1"], 4);
    says(&without_store, &["the store could not be reached, so", "model 0", "valuesim dead list r1"]);
    assert!(!without_store.stdout.contains("no coordinator is alive"), "{}", without_store.stdout);
    all_soon(&operator, &[&["pause", "r1"], &["purge", "r1", "--yes"]], 1);
    soon(&operator, &["runs"], 4);
    says(&soon(&operator, &["dead", "list", "r1"], 0), &["unreadable"]);

    redis.start_again().await.unwrap();
    broker.kill();
    let without_broker = soon(&operator, &["status"], 4);
    says(
        &without_broker,
        &["the broker could not be reached, so queues cannot be seen", "run r1: begun", "12 of 60 finished"],
    );
    says(&soon(&operator, &["pause", "r1"], 0), &["run r1 pauses"]);
    says(&soon(&operator, &["runs"], 0), &["pause"]);
    soon(&operator, &["dead", "list", "r1"], 4);
    soon(&operator, &["dead", "replay", "r1", "--all"], 1);
    // Purge removes what it can reach and reports that the rest is left.
    let purged = soon(&operator, &["purge", "r1", "--yes", "--force"], 1);
    says(&purged, &["removed from the store: "]);
    assert!(purged.stderr.contains("could not remove everything: connect to RabbitMQ"), "{}", purged.stderr);

    redis.stop().await.unwrap();
    says(
        &soon(&operator, &["status", "r1"], 4),
        &["the store could not be reached", "the broker could not be reached"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_of_a_run_that_the_store_lost_are_found_and_purged() {
    let operator = Operator::new().await;
    let queue = operator.queue().await;
    queue.publish(&name(STORY), task(7, &[]).to_bytes().into()).await.unwrap();
    until_waiting(&queue, &name(STORY), 1).await;
    let status = soon(&operator, &["status", "r1"], 0);
    says(&status, &["run r1: not in the list of runs", "1 task waits and no worker serves the run"]);
    let purged = soon(&operator, &["purge", "r1", "--yes"], 0);
    says(&purged, &["removed from the broker: queues: 2, messages in them: 1, of these dead letters: 0\n"]);
    assert_eq!(queue.depth(&name(STORY)).await, Ok(None));
    assert_eq!(queue.depth(&name(QueueKind::Dead)).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_status_continues_until_it_is_interrupted() {
    let operator = Operator::new().await;
    let mut watching = operator.start(&["status", "--watch"]);
    for _ in 0..2 {
        watching.wait_for_output("no worker is alive");
    }
    watching.interrupt();
    watching.wait().expect_success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_is_reported_with_the_reason() {
    let mut operator = Operator::new().await;
    let (proxy, through) = Proxy::in_front_of(&operator.store).await.unwrap();
    operator.store = through;
    let mut watching = operator.start(&["status", "--watch", "--json"]);
    watching.wait_for_output("\"unreached\":[]");
    proxy.stall().await;
    let line = watching.wait_for_output("\"server\":\"store\"");
    assert!(line.contains("reach the Redis server redis://127.0.0.1:") && line.contains("no answer in 2 s"), "{line}");
    // A new command cannot even connect.
    says(
        &soon(&operator, &["status"], 4),
        &["the store could not be reached", "connect to the store redis://127.0.0.1:"],
    );
    drop(watching);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_accepts_no_writes_can_still_be_read() {
    let redis = RedisServer::start().await.unwrap();
    let (broker, address) = (shared_broker().await, redis.url());
    let operator = Operator::at(broker.url.clone(), address.clone());
    let control = operator.control().await;
    control.announce(&about()).await.unwrap();
    control.report_worker(&worker()).await.unwrap();
    let mut plain = redis::Client::open(address).unwrap().get_connection().unwrap();
    let gone = ["PEXPIRE", "valuesim:{workers}:worker-of-the-test", "0"];
    for words in [gone, ["CONFIG SET", "min-replicas-to-write", "1"]] {
        let words = words.iter().flat_map(|word| word.split(' '));
        let mut command = redis::Cmd::new();
        words.for_each(|word| _ = command.arg(word));
        command.exec(&mut plain).unwrap();
    }
    says(&soon(&operator, &["status"], 0), &["run r1: begun", "no worker is alive"]);
    // The error is about writing, not about finding out who works on the run.
    let purged = soon(&operator, &["purge", "r1", "--yes"], 1);
    assert!(!purged.stderr.contains("check which processes work on run"), "{}", purged.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_is_named_and_nobody_is_called_dead_for_it() {
    let redis = RedisServer::start().await.unwrap();
    let (broker, address) = (shared_broker().await, redis.url());
    let operator = Operator::at(broker.url.clone(), address.clone());
    let control = operator.control().await;
    control.announce(&about()).await.unwrap();
    let mut plain = redis::Client::open(address).unwrap().get_connection().unwrap();
    let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query(&mut plain).unwrap();
    let output = soon(&operator, &["status"], 4);
    says(&output, &["its memory is full (maxmemory)", "run r1: begun", "may be missing here"]);
    for dead in ["no worker is alive", "no coordinator is alive", "no worker serves"] {
        assert!(!output.stdout.contains(dead), "{}", output.stdout);
    }
    let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).query(&mut plain).unwrap();
    let () = redis::cmd("DEL").arg("valuesim:{r1}:about").query(&mut plain).unwrap();
    let () = redis::cmd("RPUSH").arg("valuesim:{r1}:about").arg("x").query(&mut plain).unwrap();
    let output = soon(&operator, &["status"], 4);
    says(&output, &["its key valuesim:{r1}:about holds a value of another kind"]);
    assert!(!output.stdout.contains("no worker is alive"), "{}", output.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_waits_for_a_full_store_can_be_stopped() {
    let (broker, redis) = tokio::join!(shared_broker(), RedisServer::start());
    let redis = redis.unwrap();
    let operator = Operator::at(broker.url.clone(), redis.url());
    let mut store = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query(&mut store).unwrap();
    let mut waiting = operator.start(&COORDINATE);
    waiting.wait_for("its memory is full");
    waiting.interrupt();
    waiting.wait_for("stopping: cells in progress stay on the queues");
    waiting.wait().expect_code(130);

    // Although the run has begun, the user must still name the broker.
    let output = Running::new(operator.sandbox.command(&COORDINATE).env("VALUESIM_STORE", &operator.store))
        .wait()
        .expect_code(2);
    assert!(output.stderr.contains("missing broker address"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_cannot_list_its_run_continues() {
    let (broker, redis) = tokio::join!(shared_broker(), RedisServer::start());
    let redis = redis.unwrap();
    let mut store = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let user = ["SETUSER", "weak", "on", ">secret", "~*", "+@all", "-zadd"];
    let () = redis::cmd("ACL").arg(&user).query(&mut store).unwrap();
    let operator = Operator::at(broker.url.clone(), redis.url().replace("redis://", "redis://weak:secret@"));
    let mut coordinator = operator.start(&COORDINATE);
    coordinator.wait_for("could not add the run to the list of runs");
    coordinator.wait_for("coordinating run");
    coordinator.interrupt();
    coordinator.wait().expect_code(130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_status_ends_when_its_reader_goes_away() {
    let operator = Operator::new().await;
    let mut watching = operator.sandbox.command(&["status", "--watch"]);
    watching.env("VALUESIM_BROKER", &operator.broker).env("VALUESIM_STORE", &operator.store);
    let mut watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    drop(watching.stdout.take());
    let status = eventually("its end", SOON, async || watching.try_wait().unwrap()).await;
    let status = status.inspect_err(|_| watching.kill().unwrap()).unwrap();
    assert_eq!(status.code(), Some(0));
}

/// A run with many models, and a second operator, who reaches its many queues through a proxy.
async fn distant_operator() -> (Operator, Proxy, Operator) {
    let near = Operator::new().await;
    let many = AboutRun { models: (0..20).map(|number| format!("m{number}")).collect(), ..about() };
    near.control().await.announce(&many).await.unwrap();
    let (proxy, through) = Proxy::in_front_of(&near.broker).await.unwrap();
    let far = Operator::at(through, near.store.clone());
    (near, proxy, far)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_queues_of_a_distant_broker_are_inspected_in_parallel() {
    let (_near, proxy, far) = distant_operator().await;
    proxy.delay(Duration::from_millis(15));
    // One queue after the other would take longer than `status` allows, every time. On a busy machine, a few attempts in
    // parallel may take as long.
    let complete = async || Some(far.run(&["status"])).filter(|status| status.code == Some(0));
    let status = eventually("a complete status", TIMEOUT, complete).await.unwrap();
    says(&status, &["m19", "no such queue"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_inspection_is_distinguished_from_an_unreachable_broker() {
    let (_near, proxy, far) = distant_operator().await;
    let mut watching = far.start(&["status", "--watch"]);
    watching.wait_for_output("no such queue");
    proxy.delay(Duration::from_millis(250));
    watching.wait_for_output("the look at its queues was not finished within 2 s");
    watching.interrupt();
    let stdout = watching.wait().expect_success().stdout;
    assert!(!stdout.contains("the broker could not be reached"), "{stdout}");
}

/// All commands, on servers that accept connections but never answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_servers_are_reported_within_seconds() {
    let operator = Operator::new().await;
    operator.control().await.announce(&about()).await.unwrap();
    let (broker, broker_url) = Proxy::in_front_of(&operator.broker).await.unwrap();
    let (store, store_url) = Proxy::in_front_of(&operator.store).await.unwrap();
    let stalled_operator = Operator::at(broker_url, store_url);
    broker.stall().await;
    let silent = "no answer within 3 s; check the host and the port";
    says(
        &soon(&stalled_operator, &["status"], 4),
        &["the broker could not be reached", "connect to RabbitMQ at amqp://", silent],
    );
    let stalled = |commands: &[&[&str]], code| {
        for (arguments, output) in commands.iter().zip(all_soon(&stalled_operator, commands, code)) {
            assert!(output.stderr.contains(silent), "{arguments:?}: {}", output.stderr);
        }
    };
    stalled(&[&["dead", "list", "r1"], &["dead", "show", "r1"]], 4);
    stalled(&[&["dead", "replay", "r1", "--all"], &["dead", "discard", "r1", "--all", "--yes"]], 1);
    // What the store had is gone; what the broker has is left.
    stalled(&[&["purge", "r1", "--yes"]], 1);
    operator.control().await.announce(&about()).await.unwrap();
    soon(&stalled_operator, &["pause", "r1"], 0);
    store.stall().await;
    says(
        &soon(&stalled_operator, &["status"], 4),
        &["the store could not be reached", "the broker could not be reached"],
    );
    stalled(&[&["pause", "r1"], &["purge", "r1", "--yes"]], 1);
    stalled(&[&["runs"]], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_stalls_halfway_reports_what_was_done() {
    /// At two delays each, they take 40 seconds: the replay cannot end before the stall.
    const LETTERS: u32 = 1_000;
    const DELAY: Duration = Duration::from_millis(20);
    let operator = Operator::new().await;
    let (queue, dead) = (operator.queue().await, name(QueueKind::Dead));
    let letters = (1..=LETTERS).map(|respondent| queue.publish(&dead, task(respondent, &[]).to_bytes().into()));
    futures_util::future::try_join_all(letters).await.unwrap();
    until_waiting(&queue, &dead, LETTERS).await;
    let (proxy, through) = Proxy::in_front_of(&operator.broker).await.unwrap();
    let stalled_operator = Operator::at(through, operator.store.clone());
    proxy.delay(DELAY);
    let replaying = stalled_operator.start(&["dead", "replay", "r1", "--all"]);
    let has_begun = async || queue.depth(&name(STORY)).await.unwrap().is_some_and(|depth| depth.messages > 1);
    // The second letter is sent once the first one is dealt with.
    until("the second replayed letter", has_begun).await;
    proxy.stall().await;
    let start = Instant::now();
    let output = replaying.wait().expect_code(1);
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert!(output.stdout.starts_with("replayed ") && !output.stdout.starts_with("replayed 0"), "{}", output.stdout);
    assert!(output.stderr.contains("replay a dead letter"), "{}", output.stderr);
}
