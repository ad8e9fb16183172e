//! The errors of test servers. Their debug output, which `unwrap` shows, is the same text as their display.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a server could not be started or stopped, or did not answer.
#[derive(thiserror::Error)]
pub enum ServerError {
    /// The program is not on this machine.
    #[error("{program} is not installed, but the tests need it: run tests/servers/install, or install {package}")]
    NotInstalled {
        /// Its name.
        program: &'static str,
        /// The packages that contain it.
        package: &'static str,
    },
    /// The program ended during its start.
    #[error("{what} ended during its start; the end of its log {log}:\n{log_tail}", log = log.display())]
    Ended {
        /// The server.
        what: String,
        /// Its log file.
        log: PathBuf,
        /// The end of that file.
        log_tail: String,
    },
    /// A condition was not met in time.
    #[error("timed out after {} s while waiting for {what}", limit.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// The time limit.
        limit: Duration,
    },
    /// A request to a server failed or was refused.
    #[error("{request} was answered with {answer}")]
    Refused {
        /// The request.
        request: String,
        /// The answer.
        answer: String,
    },
    /// A file, a process or a connection failed.
    #[error("{doing}: {source}")]
    Io {
        /// The operation.
        doing: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl ServerError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
