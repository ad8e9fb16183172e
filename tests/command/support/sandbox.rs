//! A folder in which a test runs the command, without the settings of the tester's own environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::Running;

/// The terminal width that the snapshots assume.
const COLUMNS: &str = "100";

/// A test's own folder, which is removed when the test ends.
pub(crate) struct Sandbox(TempDir);

/// The exit code and the output of a command that has ended.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    /// The exit code; none if a signal ended the command.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Runs the command until it ends.
    pub(crate) fn run(&self, arguments: &[&str]) -> CommandOutput {
        self.start(arguments).wait()
    }

    /// The same with an environment variable.
    pub(crate) fn run_with(&self, variable: (&str, &str), arguments: &[&str]) -> CommandOutput {
        Running::new(self.command(arguments).env(variable.0, variable.1)).wait()
    }

    /// Starts the command and leaves it running.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::new(&mut self.command(arguments))
    }

    /// The only run folder in the folder `runs`.
    pub(crate) fn run_folder(&self, runs: &str) -> PathBuf {
        let folders: Vec<_> = fs::read_dir(self.path(runs)).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [folder] = folders.as_slice() else { panic!("expected one run folder in {runs}, found {folders:?}") };
        folder.clone()
    }

    /// The command, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
        for (name, _) in std::env::vars_os() {
            if belongs_to_tester(&name.to_string_lossy()) {
                command.env_remove(&name);
            }
        }
        command.args(arguments).current_dir(self.0.path()).env("COLUMNS", COLUMNS);
        // Servers on this machine have no price, and most tests are about other things.
        if !arguments.contains(&"--help") {
            command.env("VALUESIM_PRICE_UNKNOWN", "true");
        }
        command
    }
}

/// Settings, keys, certificates and proxies of whoever runs the tests.
fn belongs_to_tester(variable: &str) -> bool {
    let name = variable.to_ascii_uppercase();
    name.starts_with("VALUESIM_")
        || name.starts_with("SSL_CERT_")
        || name.ends_with("_API_KEY")
        || name.ends_with("_PROXY")
}

impl CommandOutput {
    /// Checks that the command succeeded.
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        self.expect_code(0)
    }

    /// Checks that the command ended with this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that standard error contains all of `expected` and that standard output is empty.
    #[track_caller]
    pub(crate) fn check_error(&self, expected: &[&str]) {
        for part in expected {
            assert!(self.stderr.contains(part), "{part:?} is not in\n{}", self.stderr);
        }
        assert_eq!(self.stdout, "");
    }

    /// The JSON lines on standard output.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The content of a file in a run folder.
pub(crate) fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}
