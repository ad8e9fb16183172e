//! A run whose disk is full stops and says why; once there is space, it continues and repeats no answered call.
//!
//! The full disk is a limit on the size of files (`ulimit -f`), which needs no privileges: writes beyond it fail.

use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{CELLS, only_ledger, provider, rows};

const IN_FLIGHT: u64 = 8;

/// Limits in blocks of 512 bytes, from too small for an empty ledger to nearly enough.
const LIMITS: [u32; 5] = [40, 1500, 2100, 2400, 3000];

async fn run(runs: &std::path::Path, base_url: &str, limit: &str) -> Output {
    // With the signal ignored, a write beyond the limit fails as on a full disk, instead of ending the process.
    let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.env_clear().env("VALUESIM_PRICE_UNKNOWN", "true").args([
        "-c",
        &script,
        "sh",
        env!("CARGO_BIN_EXE_valuesim"),
    ]);
    command.args(["run", "--synthetic", "60", "--users", "6", "--methods", "valuesim", "--model", "m"]);
    command.args(["--calls-in-flight", &IN_FLIGHT.to_string(), "--base-url", base_url]);
    command.arg("--runs").arg(runs);
    tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("sh starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_run_until_there_is_space() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (undisturbed, disturbed) = (folder.path().join("undisturbed"), folder.path().join("disturbed"));
    let server = provider(Duration::ZERO).await;
    assert!(run(&undisturbed, &server.base_url(), "unlimited").await.status.success());
    server.stop().await;

    let server = provider(Duration::ZERO).await;
    let mut stopped = 0;
    for limit in LIMITS {
        let output = run(&disturbed, &server.base_url(), &limit.to_string()).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            continue;
        }
        stopped += 1;
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("error: ") && (stderr.contains("ledger") || stderr.contains("store")), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    assert!(stopped >= 2, "only {stopped} runs were stopped: the limits no longer fit");
    let output = run(&disturbed, &server.base_url(), "unlimited").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    assert_eq!(rows(&only_ledger(&disturbed), CELLS), rows(&only_ledger(&undisturbed), CELLS));
    let most = LIMITS.len() as u64 * IN_FLIGHT;
    let repeated = server.stats().repeated_prompts;
    assert!(repeated <= most, "{repeated} repeated calls, at most {most} were in flight");
    server.stop().await;
}
