//! Handles Ctrl-C, SIGTERM and SIGHUP.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

/// Ctrl-C, SIGTERM, with which service managers end a process, and SIGHUP, which comes when its terminal is closed. While this
/// exists, none of them ends the process by itself.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    /// Starts to listen. Call it inside a runtime.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
            let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
            let hang_up = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
            Ok(Self { interrupt, terminate, hang_up })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }

    /// Cancels `stop` at the first signal, and exits at once with code 130 at the second.
    pub(crate) async fn stop_then_leave(mut self, stop: CancellationToken) {
        self.next().await;
        stop.cancel();
        self.next().await;
        std::process::exit(130);
    }
}
