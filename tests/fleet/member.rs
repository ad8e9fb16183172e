//! A process of a fleet, and what may happen to it.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use valuesim_test_servers::eventually;

use crate::fleet::PATIENCE;

/// A process that ends with the test.
pub(crate) struct Member(Child);

/// The command, with a verb, and without any setting of the machine.
pub(crate) fn command(verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
    command.env_clear().arg(verb).stdout(Stdio::null());
    command
}

/// The same where no file may become larger than so many blocks of 512 bytes, as on a disk that is full.
pub(crate) fn command_with_little_room(verb: &str, blocks: u32) -> Command {
    // With the signal ignored a write beyond the limit fails as on a full disk, instead of ending the process.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", &script, "sh", env!("CARGO_BIN_EXE_valuesim"), verb]).stdout(Stdio::null());
    command
}

impl Member {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the command starts"))
    }

    /// The process's number on this machine.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it runs until it is killed");
        let ended = self.0.wait().expect("waits");
        assert!(ended.code().is_none(), "it ended by itself, with {ended}");
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Stops it where it is, as a machine does that is short of memory or moved to another host.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on where it stopped.
    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("waits").is_some()
    }

    /// Waits until it ends, with exit code 0.
    pub(crate) async fn ended_well(self) {
        self.ended_well_within(PATIENCE).await;
    }

    /// The same for a process that takes longer, or less long.
    pub(crate) async fn ended_well_within(self, limit: Duration) {
        let ended = self.ended(limit).await;
        assert!(ended.success(), "it ended with {ended}");
    }

    /// Waits until it ends.
    pub(crate) async fn ended(mut self, limit: Duration) -> ExitStatus {
        let look = async || self.0.try_wait().expect("waits");
        eventually("the end of a process", limit, look).await.expect("in time")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
