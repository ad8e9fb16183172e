//! What can go wrong with a test's server, as sentences: `unwrap` shows the same text as a report would.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a server could not be started, stopped or asked.
#[derive(thiserror::Error)]
pub enum ServerError {
    /// The program is not on this machine.
    #[error("{program} is not installed, and the tests need it: run tests/servers/install, or install {package}")]
    NotInstalled {
        /// Its name.
        program: &'static str,
        /// The packages that bring it.
        package: &'static str,
    },
    /// The program ended while it was started.
    #[error("{what} ended while it started; its last words in {log}:\n{words}", log = log.display())]
    Ended {
        /// The server.
        what: String,
        /// Where it writes.
        log: PathBuf,
        /// The end of that file.
        words: String,
    },
    /// Something did not come about in time.
    #[error("{what} did not come about within {} s", limit.as_secs())]
    TooSlow {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// A request to a server failed or was refused.
    #[error("{request} was answered with {answer}")]
    Refused {
        /// What was asked.
        request: String,
        /// What came back.
        answer: String,
    },
    /// A file, a process or a connection failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
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
