//! A server's process, which never outlives the one that started it.
//!
//! ```text
//! this process ── pipe ──> watchdog (sh)         the pipe closes when this process ends, however it ends
//!      └── child ──> server, a separate group   <── kill -KILL
//! ```

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{ServerError, eventually};

/// Waits for a line or for the end of the pipe, then kills the server's process group, if it still runs. Without the
/// line, deletes the server's folder, twice if necessary: a dying server may still write a file into it.
const WATCHDOG: &str = r#"
read -r word
kill -s KILL -- "-$1"
[ "$word" = keep ] || rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"#;

/// How long a server may take to shut down: RabbitMQ takes a second or two, and longer on a busy machine.
const STOP_LIMIT: Duration = Duration::from_mins(2);

/// A running server and its watchdog. Dropping it kills both.
pub(crate) struct Process {
    child: Child,
    watchdog: Child,
}

impl Process {
    /// Starts a server that writes its output to `log` and keeps its data in `folder`.
    pub(crate) fn spawn(command: &mut Command, folder: &Path, log: &Path) -> Result<Self, ServerError> {
        let doing = format!("start {}", command.get_program().display());
        let output = File::options().create(true).append(true).open(log);
        let output = output.map_err(ServerError::io(format!("open {}", log.display())))?;
        let errors = output.try_clone().map_err(ServerError::io(doing.clone()))?;
        command.current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let mut child = command.spawn().map_err(ServerError::io(doing))?;
        match watch(&child, folder) {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                _ = child.kill();
                _ = child.wait();
                Err(ServerError::io("start the watchdog")(error))
            }
        }
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Asks the server to end, waits until it has, and kills what remains of its process group.
    pub(crate) async fn stop(mut self) -> Result<(), ServerError> {
        // Fails if the server has already ended, which does not matter.
        _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        eventually("the end of a server", STOP_LIMIT, async || self.has_ended().then_some(())).await
    }
}

fn watch(child: &Child, folder: &Path) -> std::io::Result<Child> {
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", WATCHDOG, "watchdog", &child.id().to_string()]).arg(folder);
    // A separate group: Ctrl-C reaches the terminal's whole foreground group, and the watchdog must end last.
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    watchdog.spawn()
}

impl Drop for Process {
    /// The watchdog kills the server here too, so that the same code is exercised many times in each test run.
    fn drop(&mut self) {
        if let Some(mut pipe) = self.watchdog.stdin.take() {
            _ = pipe.write_all(b"keep\n");
        }
        _ = self.watchdog.wait();
        // Only has an effect if the watchdog was killed.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
