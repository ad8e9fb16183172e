//! A run that is killed two hundred times ends like one that nobody disturbed, and pays only for the calls in flight.

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

/// The backstory, and three modules for each of the 58 questions.
const MIN_CALLS_OF_A_CELL: u64 = 1 + 3 * 58;

/// Replies between two kills: from the first number up to the second.
const BETWEEN: [u64; 2] = [12, 24];

/// So few replies leave some of every run's calls open when the last kill comes.
const _: () = assert!(KILLS * BETWEEN[1] + IN_FLIGHT < CELLS_OF_RUN * MIN_CALLS_OF_A_CELL);

/// One kill in so many comes after a time and not after a reply: while the run starts.
const BY_TIME: u64 = 4;

/// The longest time after which such a kill comes: about when the first reply does.
const LATEST_MS: u64 = 150;

/// A ceiling for what hangs.
const PATIENCE: Duration = Duration::from_mins(2);

fn start(runs: &Path, base_url: &str) -> Child {
    let flags = ["run", "--synthetic", "60", "--methods", "valuesim", "--model", "m", "--json"];
    Command::new(env!("CARGO_BIN_EXE_valuesim"))
        .env_clear()
        .args(flags)
        .args(["--users", &USERS.to_string()])
        .args(["--calls-in-flight", &IN_FLIGHT.to_string(), "--base-url", base_url])
        .args(["--runs".as_ref(), runs.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

/// Waits for the end in a thread of its own, so that the provider goes on.
async fn finish(child: Child) {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("waits");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn kill(mut child: Child) {
    child.kill().expect("still running: there are open calls");
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("waits");
    assert!(ended.code().is_none(), "it ended by itself, with {ended}");
}

/// Waits until the provider has sent so many replies.
async fn until_answered(server: &Provider, replies: u64) {
    let start = Instant::now();
    while server.stats().answered < replies {
        assert!(start.elapsed() < PATIENCE, "{} of {replies} replies", server.stats().answered);
        sleep(Duration::from_millis(1)).await;
    }
}

/// Kills a run again and again, at every stage of its work.
async fn kill_often(runs: &Path, server: &Provider) {
    let mut wanted = 0;
    for number in 0..KILLS {
        // Any sequence will do; a fixed one can be told again.
        let chance = number * 7919;
        wanted += BETWEEN[0] + chance % (BETWEEN[1] - BETWEEN[0] + 1);
        // Replies go on while the run is killed, and not for much longer.
        server.hold_after(wanted + IN_FLIGHT);
        let child = start(runs, &server.base_url());
        match number % BY_TIME {
            0 => sleep(Duration::from_millis(chance % LATEST_MS)).await,
            _ => until_answered(server, wanted).await,
        }
        kill(child).await;
        // Kill by kill: what one kill cost may be asked again only after the next, so the bound is on all before.
        let (repeated, most) = (server.stats().repeated_prompts, number * IN_FLIGHT);
        assert!(repeated <= most, "{repeated} repeated calls, after {number} kills of at most {IN_FLIGHT} in flight");
    }
    server.release();
}

/// What all cells took together.
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
    // The address is part of the run's identity, so the folders differ, and their rows must not.
    assert_eq!(rows(&only_ledger(&killed), CELLS), rows(&only_ledger(&undisturbed), CELLS));
    let most = KILLS * IN_FLIGHT;
    let arrived: u64 = stats.calls.values().sum();
    assert!(stats.repeated_prompts <= most, "{} repeated calls, at most {most} were in flight", stats.repeated_prompts);
    assert!(arrived <= calls_needed + most, "{arrived} calls for {calls_needed}");

    let StageSpend { sent, answered, failed, abandoned, .. } = spend(&only_ledger(&killed));
    assert_eq!(sent, answered + failed + abandoned);
    // What is noted before it is sent may never have gone out; what went out is always noted.
    assert!(sent >= arrived && sent <= arrived + most, "{sent} noted, {arrived} arrived");
    server.stop().await;
}
