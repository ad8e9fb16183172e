//! A running command: its output so far, and the signals that a user can send it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::sandbox::CommandOutput;

/// A limit for hangs: how long an expected line may take to appear.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A limit for hangs: how long a command may take to end.
const END_TIMEOUT: Duration = Duration::from_mins(10);

/// A running command. It is killed if the test ends first.
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// One output stream of a command, line by line.
struct Stream {
    lines: Receiver<String>,
    /// The lines read so far.
    read: String,
}

impl Running {
    pub(crate) fn new(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdout: Stream::new(stdout), stderr: Stream::new(stderr) }
    }

    /// Waits for a line on standard output that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_output(&mut self, text: &str) -> String {
        self.stdout.wait_for(text)
    }

    /// Waits for a line on standard error that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.stderr.wait_for(text);
    }

    /// Waits for a line on standard error that contains `text`, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        self.stderr.wait_for(text)
    }

    /// Sends the signal of Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Sends the signal with which service managers end a process.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends the signal that comes when its terminal is closed.
    pub(crate) fn hang_up(&self) {
        self.signal("HUP");
    }

    /// Kills it without a chance to clean up, as a crash or a power failure does.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
    }

    /// Waits until it ends.
    #[track_caller]
    pub(crate) fn wait(mut self) -> CommandOutput {
        let deadline = Instant::now() + END_TIMEOUT;
        let (stdout, stderr) = (self.stdout.rest(deadline), self.stderr.rest(deadline));
        let code = self.child.wait().unwrap().code();
        CommandOutput { code, stdout, stderr }
    }

    /// Uses the shell's `kill`, because the standard library cannot send signals.
    fn signal(&self, name: &str) {
        let command = format!("kill -s {name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn new(source: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                // The receiver is gone if the test has failed.
                let _ = sender.send(line + "\n");
            }
        });
        Self { lines, read: String::new() }
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("no line with {text:?} appeared, only:\n{}", self.read));
            self.read += &line;
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All lines, once the command has closed the stream.
    #[track_caller]
    fn rest(&mut self, deadline: Instant) -> String {
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.read += &line,
                Err(RecvTimeoutError::Disconnected) => return std::mem::take(&mut self.read),
                Err(RecvTimeoutError::Timeout) => panic!("the command did not end in time; it wrote:\n{}", self.read),
            }
        }
    }
}
