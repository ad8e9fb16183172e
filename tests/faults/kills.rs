//! A run that is killed two hundred times ends like an undisturbed one, and repeats at most the calls in flight.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::id::ModelId;
use valuesim_shared::outcome::StageSpend;
use valuesim_simulator::provider::Provider;

use crate::support::{CELLS, only_ledger, provider, rows};

const KILLS: u64 = 200;
const IN_FLIGHT: u64 = 8;

const USERS: u64 = 6;
const CELLS_OF_RUN: u64 = USERS * 5;

/// The backstory, and three modules for each of the 54 questions that the smallest folds ask.
const MIN_CALLS_OF_A_CELL: u64 = 1 + 3 * 54;

/// The least and the most replies between two kills.
const BETWEEN: [u64; 2] = [12, 24];

// The run still has calls to make at the last kill.
const _: () = assert!(KILLS * BETWEEN[1] + IN_FLIGHT < CELLS_OF_RUN * MIN_CALLS_OF_A_CELL);

/// One kill in this many comes after a time, while the run starts, and not after a number of replies.
const BY_TIME: u64 = 4;

/// The latest time of such a kill: about that of the first reply.
const LATEST_MS: u64 = 150;

/// A limit for hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

fn start(runs: &Path, base_url: &str) -> Child {
    let flags = ["run", "--synthetic", "60", "--methods", "valuesim", "--model", "m", "--json"];
    Command::new(env!("CARGO_BIN_EXE_valuesim"))
        .env_clear()
        .env("VALUESIM_PRICE_UNKNOWN", "true")
        .args(flags)
        .args(["--users", &USERS.to_string()])
        .args(["--calls-in-flight", &IN_FLIGHT.to_string(), "--base-url", base_url])
        .args(["--runs".as_ref(), runs.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

/// Waits for the end in a separate thread, so that the provider keeps running.
async fn finish(child: Child) {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("waits");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn kill(mut child: Child) {
    child.kill().expect("it runs: the provider has not answered all its calls");
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("waits");
    assert!(status.code().is_none(), "it ended by itself, with {status}");
}

/// Waits until the provider has sent this many replies.
async fn wait_for_answered(server: &Provider, replies: u64) {
    let start = Instant::now();
    while server.stats().answered < replies {
        assert!(start.elapsed() < TIMEOUT, "{} of {replies} replies", server.stats().answered);
        sleep(Duration::from_millis(1)).await;
    }
}

/// Kills a run again and again, at every stage of its work.
async fn kill_often(runs: &Path, server: &Provider) {
    let mut wanted = 0;
    for number in 0..KILLS {
        // Any sequence would do, but a fixed one makes the test repeatable.
        let random = number * 7919;
        wanted += BETWEEN[0] + random % (BETWEEN[1] - BETWEEN[0] + 1);
        // The provider still replies while the run is killed, but not much longer, so that the run cannot end.
        server.pause_replies_after(wanted + IN_FLIGHT);
        let child = start(runs, &server.base_url());
        match number % BY_TIME {
            0 => sleep(Duration::from_millis(random % LATEST_MS)).await,
            _ => wait_for_answered(server, wanted).await,
        }
        kill(child).await;
        // Checked after every kill. The calls that a kill cost may be repeated only after the next one, so this counts the
        // kills before.
        let (repeated, most) = (server.stats().repeated_prompts, number * IN_FLIGHT);
        assert!(repeated <= most, "{repeated} repeated calls, after {number} kills of at most {IN_FLIGHT} in flight");
    }
    server.resume_replies();
}

/// The spend of all cells together.
fn spend(ledger: &Path) -> StageSpend {
    let ledger = Ledger::view(ledger).expect("opens");
    let mut total = StageSpend::default();
    for row in ledger.spend(ModelId(0)).expect("reads") {
        total.add(&row.expect("sound").1.total());
    }
    total
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_change_nothing_but_the_calls_in_flight() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (undisturbed, killed) = (folder.path().join("undisturbed"), folder.path().join("killed"));

    let server = provider(Duration::ZERO).await;
    finish(start(&undisturbed, &server.base_url())).await;
    let calls_needed = server.stats().answered;
    server.stop().await;

    let server = provider(Duration::ZERO).await;
    kill_often(&killed, &server).await;
    finish(start(&killed, &server.base_url())).await;
    let stats = server.stats();

    assert_eq!(rows(&only_ledger(&killed), CELLS).len() as u64, CELLS_OF_RUN);
    // The address is part of the run's identity, so the folders differ, but their rows must be the same.
    assert_eq!(rows(&only_ledger(&killed), CELLS), rows(&only_ledger(&undisturbed), CELLS));
    let most = KILLS * IN_FLIGHT;
    let arrived: u64 = stats.calls.values().sum();
    assert!(stats.repeated_prompts <= most, "{} repeated calls, at most {most} were in flight", stats.repeated_prompts);
    assert!(arrived <= calls_needed + most, "{arrived} calls for {calls_needed}");

    let StageSpend { sent, answered, failed, abandoned, .. } = spend(&only_ledger(&killed));
    assert_eq!(sent, answered + failed + abandoned);
    // A call that was noted may never have been sent, but every call that was sent is noted.
    assert!(sent >= arrived && sent <= arrived + most, "{sent} noted, {arrived} arrived");
    server.stop().await;
}
