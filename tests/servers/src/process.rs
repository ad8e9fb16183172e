//! A server's process, which never outlives the one that started it.
//!
//! ```text
//! this process ── pipe ──> watchdog (sh)         the pipe ends with this process, in whatever way that ends
//!      └── child ──> server, a group of its own <── kill -KILL
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
/// line nobody will need the server's folder again; a server that is about to die may still write a file into it.
const WATCHDOG: &str = r#"
read -r word
kill -s KILL -- "-$1"
[ "$word" = keep ] || rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"#;

/// A server that is asked to end gets this long: RabbitMQ takes a second or two, on a busy machine more.
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

    /// Asks the server to end, waits until it has, and kills whatever of it is left.
    pub(crate) async fn stop(mut self) -> Result<(), ServerError> {
        // It may have ended already, which is as good.
        _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        eventually("the end of a server", STOP_LIMIT, async || self.has_ended().then_some(())).await
    }
}

fn watch(child: &Child, folder: &Path) -> std::io::Result<Child> {
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", WATCHDOG, "watchdog", &child.id().to_string()]).arg(folder);
    // A group of its own: Ctrl-C reaches the whole group of a terminal, and the watchdog must be the last to go.
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    watchdog.spawn()
}

impl Drop for Process {
    /// The watchdog does the killing here too: one way to end, used many times in each test run.
    fn drop(&mut self) {
        if let Some(mut pipe) = self.watchdog.stdin.take() {
            _ = pipe.write_all(b"keep\n");
        }
        _ = self.watchdog.wait();
        // Without effect, unless somebody has killed the watchdog.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
