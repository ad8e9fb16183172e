//! How the command ends, and what a user's mistake is as opposed to a failure.

use std::process::ExitCode;

/// The exit codes of the command; scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Something failed; what was done is kept.
    Failed,
    /// A flag, a file or a key is wrong; nothing was started.
    Usage,
    /// What was to be looked at cannot be looked at now, so nothing is known of it.
    NotLooked,
    /// Interrupted by the user; the same command goes on.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            // 3 is for a budget that is spent.
            Exit::NotLooked => 4,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a subcommand did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
    /// What is good to know after the error.
    pub(crate) note: Option<&'static str>,
}

impl Failure {
    /// The same, with something to say after the error.
    pub(crate) fn with_note(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: Exit::Failed, error: error.into(), note: None }
    }
}

/// Marks an error as the user's to mend, or to wait for.
pub(crate) trait OrUsage<T> {
    /// The same, but ending with [`Exit::Usage`].
    fn or_usage(self) -> Result<T, Failure>;

    /// The same, but ending with [`Exit::NotLooked`].
    fn or_not_looked(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrUsage<T> for Result<T, E> {
    fn or_usage(self) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit: Exit::Usage, error: error.into(), note: None })
    }

    fn or_not_looked(self) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit: Exit::NotLooked, error: error.into(), note: None })
    }
}
