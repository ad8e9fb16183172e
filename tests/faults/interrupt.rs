//! A run that is interrupted while whole cells are about to finish pays for none of them again.

use std::process::{Command, Stdio};
use std::time::Duration;

use valuesim_simulator::provider::Provider;

use crate::support::{CELLS, only_ledger, provider, rows};

/// So many that several cells, of 58 calls each, have all their last calls in flight at the interruption.
const IN_FLIGHT: &str = "400";

/// Long enough that the interruption comes while the replies are waited for.
const LATENCY: Duration = Duration::from_millis(700);

fn command(runs: &std::path::Path, base_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
    command.env_clear().args(["run", "--synthetic", "60", "--users", "6", "--methods", "full-info", "--model", "m"]);
    command.args(["--calls-in-flight", IN_FLIGHT, "--base-url", base_url]).arg("--runs").arg(runs);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Waits until the provider has so many calls in flight that whole cells are among them.
async fn until_full(server: &Provider) {
    while server.stats().in_flight < 390 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cells_that_finish_while_a_run_stops_are_recorded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (undisturbed, interrupted) = (folder.path().join("undisturbed"), folder.path().join("interrupted"));
    let server = provider(Duration::ZERO).await;
    assert!(command(&undisturbed, &server.base_url()).status().expect("starts").success());
    server.stop().await;

    let server = provider(LATENCY).await;
    let child = command(&interrupted, &server.base_url()).spawn().expect("starts");
    until_full(&server).await;
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    let ended = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("waits");
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(!rows(&only_ledger(&interrupted), CELLS).is_empty(), "no cell finished while the run stopped");

    assert!(command(&interrupted, &server.base_url()).status().expect("starts").success());
    assert_eq!(server.stats().repeated_prompts, 0);
    assert_eq!(rows(&only_ledger(&interrupted), CELLS), rows(&only_ledger(&undisturbed), CELLS));
    server.stop().await;
}
