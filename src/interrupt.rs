//! Hears when somebody wants the process to end.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

/// Ctrl-C, and SIGTERM, with which service managers end a process: both are heard from the making of this on, and no
/// longer end the process by themselves.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen. To be called inside a runtime.
    pub(crate) fn hear() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
            let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
            Ok(Self { interrupt, terminate })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }

    /// Cancels `stop` at the first and leaves at once, with exit code 130, at the second.
    pub(crate) async fn stop_then_leave(mut self, stop: CancellationToken) {
        self.next().await;
        stop.cancel();
        self.next().await;
        std::process::exit(130);
    }
}
