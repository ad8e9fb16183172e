//! `valuesim-test-servers with`: what its command receives, and that no server remains, however it ends.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use valuesim_test_servers::eventually;

use crate::amqp::Client;
use crate::resp::ask;

/// A ceiling for what hangs.
const SOON: Duration = Duration::from_mins(2);

/// A `with` whose command has printed its servers' URLs and now waits for the end of its input.
struct Running {
    wrapper: Child,
    input: Option<ChildStdin>,
    amqp: String,
    redis: String,
    folder: TempDir,
}

impl Running {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let command = r#"echo "$VALUESIM_TEST_AMQP_URL"; echo "$VALUESIM_TEST_REDIS_URL"; read -r _; exit 7"#;
        let mut wrapper = with(&["sh", "-c", command], folder.path());
        wrapper.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut wrapper = wrapper.spawn().unwrap();
        let mut lines = BufReader::new(wrapper.stdout.take().unwrap()).lines();
        let [amqp, redis] = [lines.next_line().await, lines.next_line().await].map(|line| line.unwrap().unwrap());
        let input = wrapper.stdin.take();
        let running = Self { wrapper, input, amqp, redis, folder };
        assert!(running.broker_answers().await && running.redis_answers().await, "the command precedes its servers");
        running
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.wrapper.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    async fn broker_answers(&self) -> bool {
        Client::connect(&self.amqp).await.is_ok()
    }

    async fn redis_answers(&self) -> bool {
        ask(&self.redis, "PING").await.is_ok()
    }

    /// Waits until neither servers nor files remain.
    async fn assert_nothing_remains(&self) {
        let no_file = || self.folder.path().read_dir().unwrap().next().is_none();
        let gone = async || (no_file() && !self.redis_answers().await && !self.broker_answers().await).then_some(());
        eventually("the end of the servers", SOON, gone).await.unwrap();
    }
}

fn with(command: &[&str], temporary: &Path) -> Command {
    let mut wrapper = Command::new(env!("CARGO_BIN_EXE_valuesim-test-servers"));
    wrapper.arg("with").args(command).env("TMPDIR", temporary);
    wrapper
}

#[tokio::test]
async fn the_servers_end_with_their_command() {
    let mut running = Running::start().await;
    drop(running.input.take());
    assert_eq!(running.wrapper.wait().await.unwrap().code(), Some(7));
    running.assert_nothing_remains().await;
}

#[tokio::test]
async fn the_servers_end_when_the_wrapper_is_terminated() {
    let mut running = Running::start().await;
    running.signal(Signal::TERM);
    let ended_by_sigterm = 128 + 15;
    assert_eq!(running.wrapper.wait().await.unwrap().code(), Some(ended_by_sigterm));
    running.assert_nothing_remains().await;
}

#[tokio::test]
async fn the_servers_end_when_the_wrapper_is_killed() {
    let mut running = Running::start().await;
    running.signal(Signal::KILL);
    running.wrapper.wait().await.unwrap();
    running.assert_nothing_remains().await;
}

#[tokio::test]
async fn invalid_arguments_print_the_usage() {
    let check = async |arguments: &[&str], code: i32, expected: &str| {
        let mut wrapper = Command::new(env!("CARGO_BIN_EXE_valuesim-test-servers"));
        let output = wrapper.args(arguments).output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains(expected), "{message}");
    };
    check(&[], 2, "usage: valuesim-test-servers with COMMAND").await;
    check(&["with"], 2, "usage").await;
    check(&["without", "true"], 2, "usage").await;
}
