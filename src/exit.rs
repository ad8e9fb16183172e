//! Exit codes, and the errors that lead to them.

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
    /// The budget is spent; what was done is kept, and the same command goes on with a larger one.
    OutOfBudget,
    /// Something could not be inspected, so nothing is known about it.
    NotLooked,
    /// An operator cancelled the run; the same command ends so again until `resume`.
    Cancelled,
    /// Interrupted by the user; the same command resumes.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::OutOfBudget => 3,
            Exit::NotLooked => 4,
            Exit::Cancelled => 5,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a subcommand failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
    /// Advice to print after the error.
    pub(crate) note: Option<&'static str>,
}

impl Failure {
    /// The same, with advice to print after the error.
    pub(crate) fn with_note(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: Exit::Failed, error: error.into(), note: None }
    }
}

/// Marks an error as the user's mistake, or as something that cannot be inspected now.
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
