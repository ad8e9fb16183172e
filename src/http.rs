//! Where a process of a fleet answers probes and scrapes, as flags say.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;
use valuesim_shared::telemetry::{HttpStatus, ListenError};

use crate::output::note;

/// Where probes and scrapes are answered.
#[derive(Debug, Args)]
pub(crate) struct HttpFlags {
    /// Address to serve /healthz, /readyz and /metrics on; port 0 picks a free port
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
    /// Answers from now on and until the runtime ends. `role` is what the process is; once `stop` is cancelled it is no
    /// longer ready.
    pub(crate) async fn serve(&self, role: &str, stop: &CancellationToken) -> Result<Arc<HttpStatus>, ListenError> {
        let status = HttpStatus::serve(self.address, role, stop).await?;
        announce(&status);
        Ok(status)
    }
}

/// Says where probes and scrapes are answered.
pub(crate) fn announce(status: &HttpStatus) {
    note(&format!("health and metrics: {url}/healthz, {url}/readyz, {url}/metrics", url = status.url()));
}
