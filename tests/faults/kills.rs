//! A run that is killed two hundred times ends like one that nobody disturbed, and pays only for the calls in flight.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::id::ModelId;
use valuesim_shared::outcome::StageSpend;

use crate::support::{CELLS, only_ledger, provider, rows};

const KILLS: u64 = 200;
const IN_FLIGHT: u64 = 8;

/// Long enough that the run outlasts all kills: three seconds of calls after the last one.
const LATENCY: Duration = Duration::from_millis(12);

fn start(runs: &Path, base_url: &str) -> Child {
    let flags = ["run", "--synthetic", "60", "--users", "14", "--methods", "valuesim", "--model", "m", "--json"];
    Command::new(env!("CARGO_BIN_EXE_valuesim"))
        .env_clear()
        .args(flags)
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

async fn kill_after(mut child: Child, wait: Duration) {
    tokio::time::sleep(wait).await;
    child.kill().expect("still running: the run must outlast all kills");
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("waits");
    assert!(ended.code().is_none(), "it ended by itself, with {ended}: the run must outlast all kills");
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

    let server = provider(LATENCY).await;
    finish(start(&undisturbed, &server.base_url())).await;
    let calls_needed = server.stats().answered;
    server.stop().await;

    let server = provider(LATENCY).await;
    let base_url = server.base_url();
    for kill in 0..KILLS {
        // Between the first file and the middle of a cell; any sequence will do, a fixed one can be told again.
        let wait = 40 + kill * 7919 % 160;
        kill_after(start(&killed, &base_url), Duration::from_millis(wait)).await;
        // Kill by kill: what one kill cost may be asked again only after the next, so the bound is on all before.
        let (repeated, most) = (server.stats().repeated_prompts, kill * IN_FLIGHT);
        assert!(repeated <= most, "{repeated} repeated calls, after {kill} kills of at most {IN_FLIGHT} in flight");
    }
    finish(start(&killed, &base_url)).await;
    let stats = server.stats();

    assert_eq!(rows(&only_ledger(&killed), CELLS).len(), 70);
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
