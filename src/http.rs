//! The address at which a process serves probes, metrics and its page.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;
use valuesim_shared::telemetry::{HttpStatus, ListenError, Router};

use crate::output::note;

/// Where probes and metrics are served.
#[derive(Debug, Args)]
pub(crate) struct HttpFlags {
    /// Address to serve /healthz, /readyz and /metrics on, and of a coordinator the live page; port 0 picks a free port
    #[arg(
        long = "http",
        value_name = "ADDRESS",
        env = "VALUESIM_HTTP",
        default_value = "127.0.0.1:0",
        help_heading = "Servers"
    )]
    address: SocketAddr,
}

impl HttpFlags {
    /// The address.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the runtime ends. `role` names the kind of process; it is no longer ready once `stop` is cancelled. `more`
    /// is what it serves besides.
    pub(crate) async fn serve(
        &self,
        (role, more): (&str, Router),
        stop: &CancellationToken,
    ) -> Result<Arc<HttpStatus>, ListenError> {
        let status = HttpStatus::serve(self.address, (role, more), stop).await?;
        announce(&status);
        Ok(status)
    }
}

/// Tells people where probes and metrics are served.
pub(crate) fn announce(status: &HttpStatus) {
    note(&format!("health and metrics: {url}/healthz, {url}/readyz, {url}/metrics", url = status.url()));
}
