//! A run that is interrupted while cells are about to finish repeats none of their calls.

use std::process::Command;
use std::time::Duration;

use valuesim_test_servers::eventually;

use crate::process::Running;
use crate::support::{CELLS, only_ledger, provider, rows};

/// Enough that all 54 to 58 calls of several cells are in flight at the interruption.
const IN_FLIGHT: u64 = 400;

/// A limit for hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

fn command(runs: &std::path::Path, base_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
    command.env_clear().env("VALUESIM_PRICE_UNKNOWN", "true").args([
        "run",
        "--synthetic",
        "60",
        "--users",
        "6",
        "--methods",
        "full-info",
        "--model",
        "m",
    ]);
    command.args(["--calls-in-flight", &IN_FLIGHT.to_string(), "--base-url", base_url]).arg("--runs").arg(runs);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cells_that_finish_while_the_run_stops_are_recorded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (undisturbed, interrupted) = (folder.path().join("undisturbed"), folder.path().join("interrupted"));
    let server = provider(Duration::ZERO).await;
    assert!(command(&undisturbed, &server.base_url()).status().expect("starts").success());
    server.stop().await;

    let server = provider(Duration::ZERO).await;
    server.pause_replies_after(0);
    let mut running = Running::new(&mut command(&interrupted, &server.base_url()));
    let all_in_flight = async || (server.stats().in_flight == IN_FLIGHT).then_some(());
    eventually("all calls in flight", TIMEOUT, all_in_flight).await.expect("in time");
    running.interrupt();
    running.wait_for("stopping: ");
    server.resume_replies();
    running.wait().expect_code(130);
    assert!(!rows(&only_ledger(&interrupted), CELLS).is_empty(), "no cell finished while the run stopped");

    assert!(command(&interrupted, &server.base_url()).status().expect("starts").success());
    assert_eq!(server.stats().repeated_prompts, 0);
    assert_eq!(rows(&only_ledger(&interrupted), CELLS), rows(&only_ledger(&undisturbed), CELLS));
    server.stop().await;
}
