//! A process of a fleet, and what a test can do to it.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;
use valuesim_test_servers::eventually;

use crate::fleet::TIMEOUT;

/// A process that ends with the test.
pub(crate) struct FleetProcess {
    child: Child,
    stderr: NamedTempFile,
}

/// The command with a verb, without any settings of the tester's environment.
pub(crate) fn command(verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
    command.env_clear().env("VALUESIM_PRICE_UNKNOWN", "true").arg(verb).stdout(Stdio::null());
    command
}

/// The same, but no file may grow beyond this many blocks of 512 bytes, as on a full disk.
pub(crate) fn command_with_file_limit(verb: &str, blocks: u32) -> Command {
    // With the signal ignored, a write beyond the limit fails as on a full disk, instead of ending the process.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut command = Command::new("sh");
    command
        .env_clear()
        .env("VALUESIM_PRICE_UNKNOWN", "true")
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_valuesim"), verb])
        .stdout(Stdio::null());
    command
}

impl FleetProcess {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let stderr = NamedTempFile::new().expect("a temporary file");
        let file = stderr.reopen().expect("opens");
        let child = command.stderr(file).spawn().expect("the command starts");
        Self { child, stderr }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.stderr.path()).expect("reads")).into_owned()
    }

    /// Waits until it has written `text` to standard error.
    pub(crate) async fn wait_for(&self, text: &str) {
        let is_written = async || self.stderr().contains(text).then_some(());
        eventually(&format!("{text:?} on standard error"), TIMEOUT, is_written).await.expect("in time");
    }

    /// Kills it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs until it is killed");
        let status = self.child.wait().expect("waits");
        assert!(status.code().is_none(), "it ended by itself, with {status}");
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Suspends it, as a machine does that is short of memory or is moved to another host.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Continues it after [`Self::freeze`].
    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("waits").is_some()
    }

    /// Waits until it ends, and checks that it succeeded.
    pub(crate) async fn expect_success(self) {
        self.expect_success_within(TIMEOUT).await;
    }

    /// The same with another time limit.
    pub(crate) async fn expect_success_within(mut self, limit: Duration) {
        let status = self.wait_within(limit).await;
        assert!(status.success(), "it ended with {status}");
    }

    /// Waits until it ends, and checks its exit code.
    pub(crate) async fn expect_code(mut self, code: i32) {
        let status = self.wait_within(TIMEOUT).await;
        assert_eq!(status.code(), Some(code), "it ended with {status}");
    }

    /// Waits until it ends. What it has written can still be read.
    pub(crate) async fn wait_in_place(&mut self) -> ExitStatus {
        self.wait_within(TIMEOUT).await
    }

    /// Waits until it ends.
    pub(crate) async fn wait(mut self) -> ExitStatus {
        self.wait_within(TIMEOUT).await
    }

    async fn wait_within(&mut self, limit: Duration) -> ExitStatus {
        let poll = async || self.child.try_wait().expect("waits");
        eventually("the end of a process", limit, poll).await.expect("in time")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill exists");
        assert!(sent.success());
    }
}

impl Drop for FleetProcess {
    #[expect(clippy::print_stderr, reason = "a failed test shows what its processes wrote")]
    fn drop(&mut self) {
        // The process has ended already, unless the test ends early.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("standard error of process {}:\n{}", self.pid(), self.stderr());
        }
    }
}
