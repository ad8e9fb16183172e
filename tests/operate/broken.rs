//! Servers that are away: what can be reached is shown, what cannot is said, and nobody waits for long.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use valuesim_shared::control::AboutRun;
use valuesim_shared::control::Control as _;
use valuesim_shared::queue::{Queue as _, QueueKind};
use valuesim_test_servers::{Broker, Proxy, RedisServer, shared_broker};

use crate::support::{Desk, Ended, Running, STORY, about, name, task, until, until_waiting, worker};

/// A ceiling for what hangs: about five seconds on an idle machine.
const SOON: Duration = Duration::from_mins(1);

/// A run of which nothing can be done, as nobody answers its calls.
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

/// Runs the command, which is not to take long.
#[track_caller]
fn soon(desk: &Desk, arguments: &[&str], code: i32) -> Ended {
    let start = Instant::now();
    let ended = desk.run(arguments).with_code(code);
    assert!(start.elapsed() < SOON, "{arguments:?} took {:?}", start.elapsed());
    ended
}

/// Runs commands side by side that end with the same code: each may wait for a server that is away.
#[track_caller]
fn all_soon(desk: &Desk, commands: &[&[&str]], code: i32) -> Vec<Ended> {
    let start = Instant::now();
    let running: Vec<Running> = commands.iter().map(|arguments| desk.start(arguments)).collect();
    let ended = running.into_iter().map(|running| running.end().with_code(code)).collect();
    assert!(start.elapsed() < SOON, "{commands:?} took {:?}", start.elapsed());
    ended
}

#[track_caller]
fn says(ended: &Ended, expected: &[&str]) {
    for expected in expected {
        assert!(ended.stdout.contains(expected), "{expected:?} is not in:\n{}", ended.stdout);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_may_be_away_and_the_other_is_looked_at() {
    let (broker, redis) = tokio::join!(Broker::start(), RedisServer::start());
    let (mut broker, mut redis) = (broker.unwrap(), redis.unwrap());
    let desk = Desk::at(broker.url(), redis.url());
    let (queue, control) = (desk.queue().await, desk.control().await);
    control.announce(&about()).await.unwrap();
    control.report_worker(&worker()).await.unwrap();
    queue.publish(&name(STORY), task(7, &[]).to_bytes().into()).await.unwrap();
    queue.publish(&name(QueueKind::Dead), Bytes::from("no task")).await.unwrap();
    until_waiting(&queue, &name(QueueKind::Dead), 1).await;

    let all = soon(&desk, &["status"], 0);
    says(
        &all,
        &["run r1: begun", "no such queue", "valuesim dead list r1", "no coordinator is alive", "1 worker is alive"],
    );
    says(&all, &["worker-of-the-test, just now: the provider\\u{1b}[2J is away"]);
    assert!(!all.stdout.contains('\u{1b}'), "{}", all.stdout);

    redis.stop().await.unwrap();
    let without_store = soon(&desk, &["status", "r1"], 4);
    says(&without_store, &["the store could not be reached, so", "model 0", "valuesim dead list r1"]);
    assert!(!without_store.stdout.contains("no coordinator is alive"), "{}", without_store.stdout);
    all_soon(&desk, &[&["pause", "r1"], &["purge", "r1", "--yes"]], 1);
    soon(&desk, &["runs"], 4);
    says(&soon(&desk, &["dead", "list", "r1"], 0), &["unreadable"]);

    redis.start_again().await.unwrap();
    broker.kill();
    let without_broker = soon(&desk, &["status"], 4);
    says(
        &without_broker,
        &["the broker could not be reached, so queues cannot be seen", "run r1: begun", "12 of 60 finished"],
    );
    says(&soon(&desk, &["pause", "r1"], 0), &["run r1 pauses"]);
    says(&soon(&desk, &["runs"], 0), &["pause"]);
    soon(&desk, &["dead", "list", "r1"], 4);
    soon(&desk, &["dead", "replay", "r1", "--all"], 1);
    // The half that can be reached is purged, and the other is said to be left.
    let purged = soon(&desk, &["purge", "r1", "--yes", "--force"], 1);
    says(&purged, &["removed from the store: "]);
    assert!(purged.stderr.contains("could not remove everything: connect to RabbitMQ"), "{}", purged.stderr);

    redis.stop().await.unwrap();
    says(&soon(&desk, &["status", "r1"], 4), &["the store could not be reached", "the broker could not be reached"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_of_a_run_that_the_store_forgot_are_found_and_purged() {
    let desk = Desk::new().await;
    let queue = desk.queue().await;
    queue.publish(&name(STORY), task(7, &[]).to_bytes().into()).await.unwrap();
    until_waiting(&queue, &name(STORY), 1).await;
    let status = soon(&desk, &["status", "r1"], 0);
    says(&status, &["run r1: not in the list of runs", "1 task waits and no worker serves the run"]);
    let purged = soon(&desk, &["purge", "r1", "--yes"], 0);
    says(&purged, &["removed from the broker: queues: 2, messages in them: 1, of these dead letters: 0\n"]);
    assert_eq!(queue.depth(&name(STORY)).await, Ok(None));
    assert_eq!(queue.depth(&name(QueueKind::Dead)).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_status_goes_on_until_it_is_interrupted() {
    let desk = Desk::new().await;
    let mut watching = desk.start(&["status", "--watch"]);
    for _ in 0..2 {
        watching.wait_for_output("no worker is alive");
    }
    watching.interrupt();
    watching.end().well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_is_named_with_the_reason() {
    let mut desk = Desk::new().await;
    let (proxy, through) = Proxy::in_front_of(&desk.store).await.unwrap();
    desk.store = through;
    let mut watching = desk.start(&["status", "--watch", "--json"]);
    watching.wait_for_output("\"unreached\":[]");
    proxy.stall().await;
    let said = watching.wait_for_output("\"server\":\"store\"");
    assert!(said.contains("reach the Redis server redis://127.0.0.1:") && said.contains("no answer in 2 s"), "{said}");
    // Who comes now does not even connect.
    says(&soon(&desk, &["status"], 4), &["the store could not be reached", "connect to the store redis://127.0.0.1:"]);
    drop(watching);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_no_writes_hides_nothing() {
    let redis = RedisServer::start().await.unwrap();
    let (broker, address) = (valuesim_test_servers::shared_broker().await, redis.url());
    let desk = Desk::at(broker.url.clone(), address.clone());
    let control = desk.control().await;
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
    says(&soon(&desk, &["status"], 0), &["run r1: begun", "no worker is alive"]);
    // Nobody is at work: what it cannot do is said of the writing alone.
    let purged = soon(&desk, &["purge", "r1", "--yes"], 1);
    assert!(!purged.stderr.contains("check which processes work on run"), "{}", purged.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_waits_for_a_store_without_room_can_be_stopped() {
    let (broker, redis) = tokio::join!(shared_broker(), RedisServer::start());
    let redis = redis.unwrap();
    let desk = Desk::at(broker.url.clone(), redis.url());
    let mut store = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query(&mut store).unwrap();
    let mut waiting = desk.start(&COORDINATE);
    waiting.wait_for("its memory is full");
    waiting.interrupt();
    waiting.wait_for("stopping: cells in progress stay on the queues");
    waiting.end().with_code(130);

    // The run was begun; where the broker is is still the user's to say.
    let ended = Running::new(desk.place.command(&COORDINATE).env("VALUESIM_STORE", &desk.store)).end().with_code(2);
    assert!(ended.stderr.contains("missing broker address"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_cannot_enter_its_run_into_the_list_goes_on() {
    let (broker, redis) = tokio::join!(shared_broker(), RedisServer::start());
    let redis = redis.unwrap();
    let mut store = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let user = ["SETUSER", "weak", "on", ">secret", "~*", "+@all", "-zadd"];
    let () = redis::cmd("ACL").arg(&user).query(&mut store).unwrap();
    let desk = Desk::at(broker.url.clone(), redis.url().replace("redis://", "redis://weak:secret@"));
    let mut coordinator = desk.start(&COORDINATE);
    coordinator.wait_for("could not add the run to the list of runs");
    coordinator.wait_for("coordinating run");
    coordinator.interrupt();
    coordinator.end().with_code(130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_status_ends_with_its_reader() {
    let desk = Desk::new().await;
    let mut watching = desk.place.command(&["status", "--watch"]);
    watching.env("VALUESIM_BROKER", &desk.broker).env("VALUESIM_STORE", &desk.store);
    let mut watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    drop(watching.stdout.take());
    let ended = valuesim_test_servers::eventually("its end", SOON, async || watching.try_wait().unwrap()).await;
    let ended = ended.inspect_err(|_| watching.kill().unwrap()).unwrap();
    assert_eq!(ended.code(), Some(0));
}

/// A run with so many models that its queues are looked at in many rounds, over a way of the test's own.
async fn far_away() -> (Desk, Proxy, Desk) {
    let near = Desk::new().await;
    let many = AboutRun { models: (0..20).map(|number| format!("m{number}")).collect(), ..about() };
    near.control().await.announce(&many).await.unwrap();
    let (proxy, through) = Proxy::in_front_of(&near.broker).await.unwrap();
    let far = Desk::at(through, near.store.clone());
    (near, proxy, far)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_queues_far_away_are_looked_at_side_by_side() {
    let (_near, proxy, far) = far_away().await;
    proxy.delay(Duration::from_millis(15));
    let status = soon(&far, &["status"], 0);
    says(&status, &["m19", "no such queue"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_takes_too_long_is_told_from_a_broker_that_is_away() {
    let (_near, proxy, far) = far_away().await;
    let mut watching = far.start(&["status", "--watch"]);
    watching.wait_for_output("no such queue");
    proxy.delay(Duration::from_millis(250));
    watching.wait_for_output("the look at its queues was not finished within 2 s");
    watching.interrupt();
    let said = watching.end().well().stdout;
    assert!(!said.contains("the broker could not be reached"), "{said}");
}

/// The verbs through servers that take connections and answer nothing, from the beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_stall_are_said_within_seconds() {
    let desk = Desk::new().await;
    desk.control().await.announce(&about()).await.unwrap();
    let (broker, broker_url) = Proxy::in_front_of(&desk.broker).await.unwrap();
    let (store, store_url) = Proxy::in_front_of(&desk.store).await.unwrap();
    let held = Desk::at(broker_url, store_url);
    broker.stall().await;
    let silent = "no answer within 3 s; check the host and the port";
    says(&soon(&held, &["status"], 4), &["the broker could not be reached", "connect to RabbitMQ at amqp://", silent]);
    let stalled = |commands: &[&[&str]], code| {
        for (arguments, ended) in commands.iter().zip(all_soon(&held, commands, code)) {
            assert!(ended.stderr.contains(silent), "{arguments:?}: {}", ended.stderr);
        }
    };
    stalled(&[&["dead", "list", "r1"], &["dead", "show", "r1"]], 4);
    stalled(&[&["dead", "replay", "r1", "--all"], &["dead", "discard", "r1", "--all", "--yes"]], 1);
    // What the store has is gone, and what the broker has is left.
    stalled(&[&["purge", "r1", "--yes"]], 1);
    desk.control().await.announce(&about()).await.unwrap();
    soon(&held, &["pause", "r1"], 0);
    store.stall().await;
    says(&soon(&held, &["status"], 4), &["the store could not be reached", "the broker could not be reached"]);
    stalled(&[&["pause", "r1"], &["purge", "r1", "--yes"]], 1);
    stalled(&[&["runs"]], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_stalls_half_way_says_what_was_done() {
    const LETTERS: u32 = 3_000;
    let desk = Desk::new().await;
    let (queue, dead) = (desk.queue().await, name(QueueKind::Dead));
    let letters = (1..=LETTERS).map(|respondent| queue.publish(&dead, task(respondent, &[]).to_bytes().into()));
    futures_util::future::try_join_all(letters).await.unwrap();
    until_waiting(&queue, &dead, LETTERS).await;
    let (proxy, through) = Proxy::in_front_of(&desk.broker).await.unwrap();
    let held = Desk::at(through, desk.store.clone());
    let replaying = held.start(&["dead", "replay", "r1", "--all"]);
    let has_begun = async || queue.depth(&name(STORY)).await.unwrap().is_some_and(|depth| depth.messages > 0);
    until("the first replayed letter", has_begun).await;
    proxy.stall().await;
    let start = Instant::now();
    let ended = replaying.end().with_code(1);
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert!(ended.stdout.starts_with("replayed ") && !ended.stdout.starts_with("replayed 0"), "{}", ended.stdout);
    assert!(ended.stderr.contains("replay a dead letter"), "{}", ended.stderr);
}
