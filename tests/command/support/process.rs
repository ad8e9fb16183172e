//! A command that is running: what it says so far, and the signals that a user can send it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::place::Ended;

/// How long a line may take to come; far more than it ever does.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running command. It is killed when a test ends before it does.
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What comes out of a command, line by line.
struct Stream {
    lines: Receiver<String>,
    /// The lines that were read.
    read: String,
}

impl Running {
    pub(crate) fn new(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdout: Stream::new(stdout), stderr: Stream::new(stderr) }
    }

    /// Waits for a line of standard output that has `text` in it.
    #[track_caller]
    pub(crate) fn wait_for_output(&mut self, text: &str) -> String {
        self.stdout.wait_for(text)
    }

    /// Waits for a line of standard error that has `text` in it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.stderr.wait_for(text);
    }

    /// Sends the signal of Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Sends the signal with which service managers end a process.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Ends it without a chance to tidy up, as a crash or a loss of power does.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let (stdout, stderr) = (self.stdout.rest(), self.stderr.rest());
        let code = self.child.wait().unwrap().code();
        Ended { code, stdout, stderr }
    }

    /// By the shell's own `kill`, which is everywhere; the standard library has no signals.
    fn signal(&self, name: &str) {
        let command = format!("kill -s {name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn new(source: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                // Nobody listens any more when the test has failed.
                let _ = sender.send(line + "\n");
            }
        });
        Self { lines, read: String::new() }
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line with {text:?} came, only:\n{}", self.read));
            self.read += &line;
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Everything, once the command has closed the stream.
    fn rest(&mut self) -> String {
        self.read.extend(self.lines.iter());
        std::mem::take(&mut self.read)
    }
}
